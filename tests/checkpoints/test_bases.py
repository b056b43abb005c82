"""A model is known by its content: adapters, their bases, and who needs whom."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from songloom.checkpoints import fingerprints, sources
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.bases import find_dependents, read_base_fingerprint
from songloom.checkpoints.export import export
from songloom.checkpoints.home import home, model_folder, remove_model, trained_model
from songloom.checkpoints.hub import name_for_good
from songloom.checkpoints.load import load_components
from songloom.checkpoints.sources import find_source
from songloom.errors import BaseChangedError, ModelError, ModelNeededError
from songloom.generation.model import load
from songloom.models.lora import LoraConfig, add_lora, lora_state
from songloom.progress import Notice, ProgressEvent
from tests.models.adapters import set_adapter
from tests.tiny import tiny_model

CONFIG = LoraConfig(rank=2, alpha=3)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def train_adapter(name: str, base: str, seed: int = 1, *, record: bool = True) -> Path:
    """What a training leaves behind: an adapter that changes what its base plays."""
    components = load_components(base)
    assert components.source is not None
    fingerprint = components.source.fingerprint()
    lm = components.lm
    add_lora(lm, CONFIG, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    set_adapter(
        lm,
        {n: torch.randn(t.shape, generator=generator) * 0.1 for n, t in lora_state(lm).items()},
    )
    folder = model_folder(name)
    shutil.rmtree(folder, ignore_errors=True)
    write_adapter(folder, lora_state(lm), CONFIG, lm.config, base, fingerprint if record else "")
    return folder


def notices_of(name: str, base: str | None = None) -> list[str]:
    events: list[ProgressEvent] = []
    load(name, base=base, on_event=events.append)
    return [event.text for event in events if isinstance(event, Notice)]


def change_weight(file: Path, name: str | None = None) -> None:
    """Change one number of one tensor, but not the file's size."""
    state = load_file(file)
    state[name or sorted(state)[0]].view(-1)[0] += 1
    save_file(state, file, metadata={"format": "pt"})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "base")


def test_an_adapter_whose_base_was_trained_again_is_refused(base: Path) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    assert notices_of("second") == []
    before = find_source("first").fingerprint()
    assert read_base_fingerprint(model_folder("second")) == before
    train_adapter("first", str(base), seed=7)
    after = find_source("first").fingerprint()
    with pytest.raises(BaseChangedError) as caught:
        load("second")
    error = caught.value
    assert (error.base, error.expected, error.found) == ("first", before, after)
    assert before[:12] in str(error)
    assert after[:12] in str(error)
    assert "--model first" in str(error)
    assert "\n" not in str(error)
    [notice] = notices_of("second", base="first")  # the way out
    assert "not the model" in notice
    train_adapter("first", str(base))  # the old weights again
    assert notices_of("second") == []


def test_any_weight_of_the_base_counts(base: Path) -> None:
    """Also those that LoRA never changes, of the codec and of the text encoder."""
    train_adapter("mine", str(base))
    file = base / "model.safetensors"
    names = sorted(load_file(file))
    for name in (
        names[0],
        names[len(names) // 2],
        names[-1],
        "decoder.model.decoder.embed_tokens.0.weight",
    ):
        whole = file.read_bytes()
        change_weight(file, name)
        with pytest.raises(BaseChangedError):
            load_components("mine")
        file.write_bytes(whole)
    load_components("mine")


def test_a_chain_is_refused_at_whichever_link_has_changed(base: Path) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    train_adapter("third", "second")
    load_components("third")
    change_weight(base / "model.safetensors")
    for name in ("first", "second", "third"):
        with pytest.raises(BaseChangedError):
            load_components(name)


def test_a_base_that_only_moved_or_was_touched_is_the_same(base: Path, tmp_path: Path) -> None:
    train_adapter("mine", str(base))
    os.utime(base / "model.safetensors", ns=(10**18, 10**18))
    assert notices_of("mine") == []
    shutil.copytree(base, tmp_path / "elsewhere")
    assert notices_of("mine", base="elsewhere") == []
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="unknown model"):
        load_components("mine")


def test_the_kind_of_file_does_not_matter(base: Path, tmp_path: Path) -> None:
    state = load_file(base / "model.safetensors")
    whole = find_source(base).fingerprint()
    pickled, sharded = (Path(shutil.copytree(base, tmp_path / n)) for n in ("pickled", "sharded"))
    for folder in (pickled, sharded):
        (folder / "model.safetensors").unlink()
    torch.save(state, pickled / "pytorch_model.bin")
    assert find_source(pickled).fingerprint() == whole
    halves = [dict(list(state.items())[i::2]) for i in range(2)]
    weight_map = {}
    for i, half in enumerate(halves):
        shard = f"model-0000{i + 1}-of-00002.safetensors"
        save_file(half, sharded / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(half, shard)
    index = {"metadata": {}, "weight_map": weight_map}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert find_source(sharded).fingerprint() == whole
    tiny_model(tmp_path / "other", seed=3)
    assert find_source("other").fingerprint() != whole


def test_checkpoints_of_the_reference_library_have_one_too(base: Path, tmp_path: Path) -> None:
    export(base, tmp_path / "reference", "reference")
    before = find_source("reference").fingerprint()
    assert before == find_source("reference").fingerprint()
    train_adapter("mine", str(tmp_path / "reference"))
    load_components("mine")
    shutil.rmtree(tmp_path / "reference")
    export(tiny_model(tmp_path / "other", seed=3), tmp_path / "reference", "reference")
    with pytest.raises(BaseChangedError):
        load_components("mine")


def test_an_adapter_s_strength_belongs_to_it(base: Path) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    config = model_folder("first") / "adapter_config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"inference_mode": False}))
    load_components("second")  # which changes nothing
    config.write_text(json.dumps(content | {"lora_alpha": 30}))
    with pytest.raises(BaseChangedError):
        load_components("second")


def test_an_adapter_from_before_is_used_with_a_notice(base: Path) -> None:
    train_adapter("old", str(base), record=False)
    assert read_base_fingerprint(model_folder("old")) == ""
    [notice] = notices_of("old")
    assert "does not record" in notice
    assert str(base) in notice
    assert notices_of("old", base=str(base)) == []


def test_an_adapter_is_attached_to_its_base_wherever_that_lies(base: Path, tmp_path: Path) -> None:
    train_adapter("mine", str(base))
    moved = load(Path(shutil.copytree(base, tmp_path / "moved")))
    assert moved.add_adapter("mine") == "mine"
    other = load(tiny_model(tmp_path / "other", seed=3))
    with pytest.raises(BaseChangedError):
        other.add_adapter("mine")
    events: list[ProgressEvent] = []
    assert other.add_adapter("mine", any_base=True, on_event=events.append) == "mine"
    assert len(events) == 1


def test_a_model_whose_files_changed_since_it_was_loaded_takes_no_adapter(base: Path) -> None:
    train_adapter("mine", str(base))
    model = load(base)
    change_weight(base / "model.safetensors")
    with pytest.raises(ModelError, match="have changed since"):
        model.add_adapter("mine")


def age(folder: Path) -> None:
    """Give the files a time of change that is long ago, as trained models have."""
    for i, file in enumerate(sorted(folder.iterdir())):
        os.utime(file, ns=(10**18 + i, 10**18 + i))


def test_a_fingerprint_is_computed_once(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(base)
    expected = find_source(base).fingerprint()
    computed: list[Path] = []

    def digest(path: Path) -> str:
        computed.append(path)
        return fingerprints.digest_weights(path)

    monkeypatch.setattr(sources, "digest_weights", digest)
    assert find_source(base).fingerprint() == expected
    assert computed == []
    for damage in ("{", "[]", '{"x": 1}', "[" * 100_000):
        (home() / sources.CACHE).write_text(damage)
        assert find_source(base).fingerprint() == expected
        assert len(computed) == 1
        assert find_source(base).fingerprint() == expected
        assert len(computed) == 1
        computed.clear()
    # Another file in its place, of the same size and time, has another inode.
    file = base / "model.safetensors"
    facts = file.stat()
    shutil.copyfile(file, base / "new")
    change_weight(base / "new")
    os.utime(base / "new", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (base / "new").replace(file)
    assert file.stat().st_size == facts.st_size
    assert find_source(base).fingerprint() != expected


def test_what_has_just_changed_is_not_remembered(base: Path) -> None:
    """It could change again within what the disk's clock can tell apart."""
    now = time.time_ns() + 10**12  # however slow the machine is
    os.utime(base / "model.safetensors", ns=(now, now))
    find_source(base).fingerprint()
    assert not (home() / sources.CACHE).exists()


def test_a_home_that_cannot_be_written_costs_time_only(base: Path) -> None:
    age(base)
    expected = find_source(base).fingerprint()
    shutil.rmtree(home())
    home().write_text("a file")
    assert find_source(base).fingerprint() == expected


def test_a_path_is_kept_so_that_it_leads_to_the_same_from_anywhere(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_adapter("first", str(base))
    (tmp_path / "below").mkdir()
    for given in ("base", "./base", "below/../base", str(base)):
        assert name_for_good(given) == str(base.resolve())
    for name in ("nano", "small", "facebook/musicgen-small", "first", "owner/name", ""):
        assert name_for_good(name) == name
    (tmp_path / "first").mkdir()  # the trained model comes first, as it does in `resolve`
    assert name_for_good("first") == "first"
    assert name_for_good("./first") == str((tmp_path / "first").resolve())
    monkeypatch.chdir(tmp_path / "below")
    assert name_for_good("../base") == str(base.resolve())


def test_a_folder_that_happens_to_have_the_base_s_name_is_not_taken(
    base: Path, tmp_path: Path
) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    remove_model("first", force=True)
    tiny_model(tmp_path / "first", seed=5)
    with pytest.raises(BaseChangedError):
        load_components("second")


def test_a_base_that_others_need_is_removed_by_force_only(base: Path) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    train_adapter("third", str(model_folder("second")))
    train_adapter("fourth", str(base))
    assert find_dependents("first") == ("second", "third")
    assert find_dependents("second") == ("third",)
    assert find_dependents("fourth") == ()
    with pytest.raises(ModelNeededError, match="'second', 'third'") as caught:
        remove_model("first")
    assert (caught.value.model, caught.value.dependents) == ("first", ("second", "third"))
    assert trained_model("first") is not None
    remove_model("third")
    with pytest.raises(ModelNeededError, match="'second'"):
        remove_model("first")
    remove_model("first", force=True)
    assert trained_model("first") is None
    assert trained_model("second") is not None


def test_those_that_need_other_weights_do_not_keep_a_base(base: Path) -> None:
    train_adapter("first", str(base))
    train_adapter("second", "first")
    train_adapter("older", "first", record=False)
    train_adapter("first", str(base), seed=9)
    assert find_dependents("first") == ("older",)


def test_a_whole_model_needs_nothing(base: Path) -> None:
    folder = tiny_model(model_folder("whole"))
    (folder / "songloom.json").write_text(json.dumps({"base": "first", "kind": "full"}))
    train_adapter("first", str(base))
    assert find_dependents("first") == ()
    train_adapter("on-whole", "whole")
    assert find_dependents("whole") == ("on-whole",)


def test_a_broken_adapter_keeps_nobody_s_base(base: Path) -> None:
    train_adapter("first", str(base))
    folder = train_adapter("second", "first")
    (folder / "adapter_config.json").write_text("[" * 100_000)
    assert find_dependents("first") == ()
    remove_model("first")
