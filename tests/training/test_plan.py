from typing import Any

import pytest
import torch

from songloom.errors import RequestError, TrainingError
from songloom.models.lora import lora_layers
from songloom.training import memory as memory_module
from songloom.training import plan as plan_module
from songloom.training.memory import estimate, free_memory, is_out_of_memory
from songloom.training.plan import Plan, lora_config, make_plan, make_trainable
from tests.training.tunes import TEXT, request, tiny_lm

CPU = torch.device("cpu")


def plan(free: int = 2**40, *, cross: bool = True, **values: Any) -> Plan:
    values.setdefault("micro_batch", None)
    asked = request(**values)
    lm = tiny_lm(cross=cross, chroma=0 if cross else 12)
    dtype = make_trainable(lm, asked, CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "free_memory", lambda device: free)
        return make_plan(asked, lm, window_seconds=2.0, frame_rate=50.0, dtype=dtype)


def test_windows_and_rates() -> None:
    assert plan(window_seconds=0.6).frames == 30
    assert plan(window_seconds=None).frames == 100
    assert plan(lr=0.5).learning_rate == 0.5
    assert plan(lr=None, optimizer="dadam").learning_rate == 1.0
    lora, full = plan(lr=None).learning_rate, plan(lr=None, full=True).learning_rate
    assert 0 < full < lora < 1e-2


@pytest.mark.parametrize(
    ("seconds", "message"), [(2.5, "at most 2 s; lower it"), (0.001, "less than a frame of 0.02 s")]
)
def test_windows_that_cannot_be(seconds: float, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plan(window_seconds=seconds)


def test_windows_at_once_are_what_fits_in_equal_parts() -> None:
    roomy = plan(batch_size=10)
    assert (roomy.micro_batch, roomy.recompute) == (10, False)
    memory = roomy.memory
    tight = plan(free=round(memory.total(4, recompute=False) / 0.84), batch_size=10)
    assert (tight.micro_batch, tight.recompute) == (4, False)
    uneven = plan(free=round(memory.total(4, recompute=False) / 0.84), batch_size=9)
    assert uneven.micro_batch == 3
    tighter = plan(free=round(memory.total(1, recompute=False) / 0.9), batch_size=10)
    assert tighter.recompute
    assert plan(micro_batch=3, batch_size=2).micro_batch == 2


def test_steps_at_once_are_limited_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "MOST_STEPS_AT_ONCE", 70)
    assert plan(batch_size=10, window_seconds=0.6).micro_batch == 2


def test_too_little_memory_names_the_remedies() -> None:
    with pytest.raises(TrainingError, match=r"GiB are free on cpu.*adafactor.*smaller model"):
        plan(free=1000)


def test_precision() -> None:
    assert plan().dtype == torch.float32
    assert plan(precision="bfloat16").dtype == torch.bfloat16
    with pytest.raises(RequestError, match=r"'float16'.*CUDA devices only.*use float32"):
        plan(precision="float16")


def test_what_is_trained() -> None:
    lm = tiny_lm()
    make_trainable(lm, request(lora_targets="attention"), CPU)
    assert {path.split(".")[2] for path in lora_layers(lm)} == {"attention", "cross"}
    trained = {name for name, p in lm.named_parameters() if p.requires_grad}
    assert all(name.endswith((".down", ".up")) for name in trained)
    whole = tiny_lm()
    make_trainable(whole, request(full=True), CPU)
    assert all(p.requires_grad for p in whole.parameters())


def test_a_projection_that_files_cannot_hold_stays_as_it_is() -> None:
    lm = tiny_lm(text=16)
    assert lm.config.text_size == lm.config.hidden_size != TEXT
    make_trainable(lm, request(full=True), CPU)
    frozen = {name for name, p in lm.named_parameters() if not p.requires_grad}
    assert frozen == {"text_projection.weight", "text_projection.bias"}


def test_adapters() -> None:
    config = lora_config(request(lora_rank=8, lora_dropout=0.1))
    assert (config.rank, config.alpha, config.dropout) == (8, 16, 0.1)
    assert lora_config(request(lora_alpha=3.0)).alpha == 3
    assert "heads" in lora_config(request(lora_targets="all")).targets


def test_the_first_adapter_follows_from_the_seed() -> None:
    def downs(seed: int) -> list[torch.Tensor]:
        lm = tiny_lm()
        make_trainable(lm, request(seed=seed), CPU)
        return [layer.down.detach() for layer in lora_layers(lm).values()]

    assert all(map(torch.equal, downs(1), downs(1)))
    assert not any(map(torch.equal, downs(1), downs(2)))


def test_the_estimate_grows_with_what_is_asked_for() -> None:
    lm = tiny_lm()
    make_trainable(lm, request(full=True), CPU)
    trained = sum(p.numel() for p in lm.parameters())
    plain = estimate(lm, 100, "adafactor", average=False, item_size=4)
    assert estimate(lm, 100, "adamw", average=False, item_size=4).fixed == plain.fixed + 8 * trained
    assert estimate(lm, 100, "adafactor", average=True, item_size=4).fixed == (
        plain.fixed + 4 * trained
    )
    assert estimate(lm, 200, "adafactor", average=False, item_size=4).per_window == (
        2 * plain.per_window
    )
    assert plain.per_window_recomputed < plain.per_window
    assert plain.total(3, recompute=False) == plain.fixed + 3 * plain.per_window


@pytest.mark.parametrize("cross", [True, False])
def test_the_estimate_is_near_what_autograd_keeps(cross: bool) -> None:
    """All tensors that are kept for the backward pass, against the estimate."""
    steps = 400
    lm = tiny_lm(cross=cross)
    lm.requires_grad_(True).train()
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in lm.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.zeros(1, 2, steps, dtype=torch.long)
    states = lm.cross_states(torch.randn(1, 3, TEXT)) if cross else None
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = lm.states(tokens, None, states)
    assert out.requires_grad
    estimated = estimate(lm, steps, "adamw", average=False, item_size=4).per_window
    assert 1 < estimated / sum(kept.values()) < 1.7  # with a layer's gradients, of only two layers


def test_free_memory_is_positive_and_within_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert free_memory(CPU) > 2**20
    monkeypatch.setattr(memory_module, "_free_in_container", lambda: 12345)
    assert free_memory(CPU) == 12345


def test_errors_that_mean_missing_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    said = (
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"
    )
    assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("not enough memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
