"""Adapters of PEFT: it reads what we write, and we read what it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

import songloom
from songloom.checkpoints.adapter import read_adapter, write_adapter
from songloom.checkpoints.load import load_components
from songloom.errors import ModelError, OutputError
from songloom.models.lm import LM
from songloom.models.lora import TARGETS, LoraConfig, add_lora, lora_state
from tests.models.adapters import set_adapter
from tests.parity import lm_and_transformers_logits
from tests.tiny import tiny_model, tiny_transformers

pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"  # PEFT asks transformers
)
KINDS = [(False, 1), (False, 2), (True, 1), (True, 2)]
TWO_KINDS = pytest.mark.parametrize(("melody", "channels"), [(False, 1), (True, 2)])
SMALL = LoraConfig(rank=3, alpha=4)


def adapted(lm: LM, config: LoraConfig = SMALL) -> dict[str, torch.Tensor]:
    """Give a model an adapter that does something; returns its state."""
    add_lora(lm, config, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    state = {
        name: torch.randn(t.shape, generator=generator) * 0.1 if name.endswith("up") else t.clone()
        for name, t in lora_state(lm).items()
    }
    set_adapter(lm, state)
    return state


def written(folder: Path, base: Path, config: LoraConfig = SMALL) -> Path:
    """An adapter of a tiny model, in a folder."""
    lm = load_components(base).lm
    write_adapter(folder, adapted(lm, config), config, lm.config, str(base))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("melody", "channels", "targets"),
    [(False, 1, ("attention",)), *((melody, channels, TARGETS) for melody, channels in KINDS)],
)
def test_peft_reads_what_we_write(
    tmp_path: Path, melody: bool, channels: int, targets: tuple[Any, ...]
) -> None:
    base = tiny_model(tmp_path / "base", melody=melody, channels=channels)
    components = load_components(base)
    config = LoraConfig(rank=3, alpha=4, targets=targets)
    write_adapter(
        tmp_path / "new" / "one", adapted(components.lm, config), config, components.lm.config, "x"
    )
    theirs = tiny_transformers(melody=melody, channels=channels)
    wrapped = peft.PeftModel.from_pretrained(theirs, tmp_path / "new" / "one").eval()
    with_adapter, expected = lm_and_transformers_logits(
        components, wrapped.get_base_model(), melody
    )
    torch.testing.assert_close(with_adapter, expected, atol=1e-5, rtol=1e-5)
    plain, _ = lm_and_transformers_logits(load_components(base), theirs, melody)
    assert (with_adapter - plain).abs().max() > 0.1
    merged, _ = lm_and_transformers_logits(
        load_components(tmp_path / "new" / "one", base=base), theirs, melody
    )
    torch.testing.assert_close(merged, expected, atol=1e-4, rtol=1e-4)


EVERY_LINEAR = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "lm_heads.0", "lm_heads.2"]


def lora(**options: Any) -> peft.LoraConfig:
    return peft.LoraConfig(init_lora_weights=False, **options)


@TWO_KINDS
@pytest.mark.parametrize(
    "config",
    [
        lora(r=4, lora_alpha=8, target_modules=EVERY_LINEAR),
        lora(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj"], use_rslora=True),
        lora(r=4, target_modules=["self_attn.k_proj"], layers_to_transform=[1]),
        lora(r=4, target_modules=r".*decoder\.layers\.0\.fc[12]|.*enc_to_dec_proj"),
        lora(
            r=4,
            lora_alpha=8,
            target_modules=["q_proj", "k_proj", "fc1"],
            rank_pattern={"q_proj": 2, "layers.1.fc1": 6},
            alpha_pattern={"self_attn.k_proj": 1},
        ),
    ],
    ids=["all", "rank_stabilised", "one layer", "expression", "patterns"],
)
def test_we_read_what_peft_writes(
    tmp_path: Path, melody: bool, channels: int, config: peft.LoraConfig
) -> None:
    base = tiny_model(tmp_path / "base", melody=melody, channels=channels)
    torch.manual_seed(4)
    wrapped = peft.get_peft_model(
        tiny_transformers(melody=melody, channels=channels), config
    ).eval()
    wrapped.save_pretrained(tmp_path / "adapter")
    components = load_components(tmp_path / "adapter", base=base)
    ours, theirs = lm_and_transformers_logits(components, wrapped.get_base_model(), melody)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    plain, _ = lm_and_transformers_logits(load_components(base), wrapped.get_base_model(), melody)
    assert (ours - plain).abs().max() > 1e-2


def test_the_decoder_adapted_alone_and_pickled(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base")
    model = tiny_transformers()
    torch.manual_seed(4)
    wrapped = peft.get_peft_model(model.decoder, lora(target_modules=["q_proj", "fc2"])).eval()
    wrapped.save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    ours, theirs = lm_and_transformers_logits(
        load_components(tmp_path / "adapter", base=base), model, False
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_there_and_back(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base", melody=True)
    lm = load_components(base).lm
    config = LoraConfig(rank=3, alpha=5, targets=("attention", "conditions"))
    state = adapted(lm, config)
    write_adapter(tmp_path / "mine", state, config, lm.config, "facebook/musicgen-melody")
    adapter = read_adapter(tmp_path / "mine", lm.config)
    assert (adapter.name, adapter.base) == ("mine", "facebook/musicgen-melody")
    assert adapter.config == config
    assert adapter.tensors.keys() == state.keys()
    assert all(torch.equal(adapter.tensors[name], state[name]) for name in state)
    write_adapter(tmp_path / "mine", state, config, lm.config, "melody")
    content = json.loads((tmp_path / "mine" / "adapter_config.json").read_text())
    assert content["base_model_name_or_path"] == "facebook/musicgen-melody"
    assert "self_attn.q_proj" in content["target_modules"]
    assert len(list((tmp_path / "mine").iterdir())) == 2


def test_some_layers_are_named_in_full(tmp_path: Path) -> None:
    lm = load_components(tiny_model(tmp_path / "base")).lm
    state = {n: t for n, t in adapted(lm).items() if n.startswith("blocks.1.attention.out")}
    write_adapter(tmp_path / "mine", state, SMALL, lm.config, "x")
    content = json.loads((tmp_path / "mine" / "adapter_config.json").read_text())
    assert content["target_modules"] == ["decoder.model.decoder.layers.1.self_attn.out_proj"]
    assert read_adapter(tmp_path / "mine", lm.config).tensors.keys() == state.keys()


def test_loading_says_what_it_is(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base")
    (base / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    folder = written(tmp_path / "adapter", base)
    info = load_components(folder).info
    assert info.name == str(folder)
    assert info.adapter == folder
    assert (info.base, info.path, info.licence) == (str(base), base, "cc-by-nc-4.0")
    assert load_components(base).info.adapter is None


def test_an_adapter_of_an_adapter(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base")
    first = written(tmp_path / "first", base)
    second = written(tmp_path / "second", first, LoraConfig(rank=2, targets=("heads",)))
    components, expected = load_components(second), load_components(first)
    add_lora(expected.lm, LoraConfig(rank=2, targets=("heads",)))
    set_adapter(expected.lm, read_adapter(second, expected.lm.config).tensors)
    tokens = torch.randint(0, 64, (1, 4, 5))
    torch.testing.assert_close(components.lm(tokens), expected.lm(tokens), atol=1e-4, rtol=1e-4)


@TWO_KINDS
def test_merging_makes_a_model_for_transformers(
    tmp_path: Path, melody: bool, channels: int
) -> None:
    base = tiny_model(tmp_path / "base", melody=melody, channels=channels)
    folder = songloom.merge(written(tmp_path / "adapter", base), tmp_path / "merged")
    theirs = (
        type(tiny_transformers(melody=melody, channels=channels)).from_pretrained(folder).eval()
    )
    adapter = load_components(tmp_path / "adapter")
    ours, expected = lm_and_transformers_logits(adapter, theirs, melody)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    assert f"adapter, merged into {tmp_path / 'base'}" in (folder / "README.md").read_text()
    assert adapter.text("slow jazz").equal(load_components(folder).text("slow jazz"))
    reference = songloom.export(tmp_path / "adapter", tmp_path / "reference", "reference")
    again, _ = lm_and_transformers_logits(load_components(reference), theirs, melody)
    assert torch.equal(again, ours)


def test_what_is_no_adapter_is_not_merged(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base")
    with pytest.raises(ModelError, match="a whole model already"):
        songloom.merge(base, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def configured(folder: Path, **settings: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"peft_type": "IA3"}, "peft_type = 'IA3'"),
        ({"bias": "lora_only"}, "bias = 'lora_only'"),
        ({"modules_to_save": ["lm_heads"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'.*merge it with PEFT"),
        ({"invented_tomorrow": 3}, "invented_tomorrow = 3"),
        ({"r": 0}, "r is 0, but a number above 0"),
        ({"lora_alpha": "much"}, "lora_alpha is 'much'"),
        ({"alpha_pattern": {"(": 3}}, "alpha_pattern is '\\('"),
        ({"alpha_pattern": [3]}, "alpha_pattern is \\[3\\], but an object"),
        ({"base_model_name_or_path": None}, "does not say which model"),
        ({"base_model_name_or_path": "nowhere"}, "adapter of 'nowhere': unknown model 'nowhere'"),
        ({"target_modules": ["fc1", "lm_heads.3"]}, r"no matrices for 'decoder.lm_heads.3'"),
    ],
)
def test_adapters_without_support(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    folder = written(tmp_path / "adapter", tiny_model(tmp_path / "base"))
    configured(folder, **settings)
    with pytest.raises(ModelError, match=message):
        load_components(folder)


FIRST = "base_model.model.decoder.model.decoder.layers.0.fc1.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(FIRST), "without its counterpart"),
        (lambda t: t.update({FIRST: torch.zeros(3, 7)}), r"has shape \(3, 7\).*would be \(3, 32\)"),
        (lambda t: t.update({FIRST: torch.tensor(1.0)}), r"has shape \(\)"),
        (lambda t: t.update({FIRST: torch.full((3, 32), torch.nan)}), "not finite"),
        (
            lambda t: t.update({FIRST.replace("lora_A", "dora"): torch.ones(1)}),
            "only matrices lora_A",
        ),
        (
            lambda t: t.update({FIRST.replace("fc1", "fc9"): torch.ones(1)}),
            "the layer 'decoder.model",
        ),
        (lambda t: t.clear(), "no matrices for 'decoder.model"),
    ],
)
def test_broken_weights(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    folder = written(tmp_path / "adapter", tiny_model(tmp_path / "base"))
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=message):
        load_components(folder)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    folder = written(tmp_path / "adapter", tiny_model(tmp_path / "base"))
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        load_components(folder)
    weights.unlink()
    with pytest.raises(ModelError, match=r"neither adapter_model.safetensors nor adapter_model"):
        load_components(folder)
    (folder / "adapter_config.json").write_text("[]")
    with pytest.raises(ModelError, match="an object was expected"):
        load_components(folder)


@pytest.mark.parametrize("other", [{"hidden_size": 64}, {"layers": 1}, {"layers": 3}])
def test_an_adapter_of_a_model_of_another_shape(tmp_path: Path, other: dict[str, int]) -> None:
    folder = written(tmp_path / "adapter", tiny_model(tmp_path / "base"))
    with pytest.raises(ModelError, match="made for another model; name that one as its base"):
        load_components(folder, base=tiny_model(tmp_path / "other", **other))  # type: ignore[arg-type]


def test_its_own_base(tmp_path: Path) -> None:
    folder = written(tmp_path / "adapter", tiny_model(tmp_path / "base"))
    configured(folder, base_model_name_or_path=str(folder))
    with pytest.raises(ModelError, match="names itself as its base"):
        load_components(folder)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    lm = load_components(tiny_model(tmp_path / "base")).lm
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / "file"))):
        write_adapter(tmp_path / "file", adapted(lm), SMALL, lm.config, "x")
