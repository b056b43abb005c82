"""Which precision is the fastest for a model on this machine's processor.

Half-precision weights are half as much to read, but converting them costs: on some processors they
make a step twice as fast, on others they gain nothing. So the candidates are measured on a few of
the model's own layers, once, and the choice is kept: results stay reproducible on a machine.

A further way to compute is a further `Candidate`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from songloom.checkpoints.precision_records import (
    PrecisionRecord,
    Situation,
    read_record,
    shape_of,
    write_record,
)
from songloom.machine import read_processor
from songloom.models.layers import has_half_linear, pack_half
from songloom.models.lm import LM

MARGIN = 0.1
"""Share of the time that a less exact candidate must save to be chosen: two that are about equally
fast are told apart by their exactness, not by chance."""
MEASURED_BYTES = 128 * 2**20
"""Float32 weights that are measured: more than a cache holds, so that memory is read as in use."""
ROUNDS, LEAST_ROUNDS = 20, 3
MOST_SECONDS = 2.0
"""Where other programs have the processor, rounds end after so long."""
ROWS = 2
"""Rows of a step that is measured: one request with guidance."""


@dataclass(frozen=True)
class Candidate:
    """One way to hold and to multiply the weights of a language model on a CPU."""

    name: str
    """As `--dtype` and records call it."""
    dtype: torch.dtype
    """Precision of the weights."""
    prepare: Callable[[nn.Module], None] = field(repr=False)
    """Puts a module into this form, in place; float32 goes in and comes out of its layers."""


def _to_float32(module: nn.Module) -> None:
    module.float()


def _to_packed_half(module: nn.Module) -> None:
    pack_half(module)  # one layer at a time, to spare memory
    module.float()


FLOAT32 = Candidate("float32", torch.float32, _to_float32)
HALF = Candidate("float16", torch.float16, _to_packed_half)

Measure = Callable[[LM, Sequence[Candidate]], Mapping[str, float]]
"""Gives the seconds of each candidate, by its name."""


def cpu_candidates() -> tuple[Candidate, ...]:
    """Candidates that this machine's PyTorch offers, the most exact first.

    All keep the logits within 2e-3 of float32. bfloat16 does not, so it is no candidate: it is for
    those who ask for it.
    """
    return (FLOAT32, HALF) if has_half_linear() else (FLOAT32,)


def choose_candidate(lm: LM, measure: Measure | None = None) -> Candidate:
    """The fastest candidate for a model on this machine, measured at most once.

    Args:
        lm: the model, on the CPU, as it was read.
        measure: gives the candidates' times.
    """
    candidates = cpu_candidates()
    situation = situation_of(lm)
    chosen = _recorded_choice(situation, candidates)
    if chosen is None:
        seconds = (measure or measure_candidates)(lm, candidates)
        chosen = choose_fastest(candidates, seconds)
        write_record(PrecisionRecord(situation, chosen.name, dict(seconds)))
        # Where several processes measured at once, the last that wrote decides for all from now on.
        chosen = _recorded_choice(situation, candidates) or chosen
    return chosen


def _recorded_choice(situation: Situation, candidates: Sequence[Candidate]) -> Candidate | None:
    """The recorded choice among the same candidates, or None."""
    record = read_record(situation)
    if record is None or set(record.seconds) != {candidate.name for candidate in candidates}:
        return None
    return next(candidate for candidate in candidates if candidate.name == record.precision)


def choose_fastest(candidates: Sequence[Candidate], seconds: Mapping[str, float]) -> Candidate:
    """The fastest of candidates, the most exact first; a later one has to win by the margin."""
    best = candidates[0]
    for candidate in candidates[1:]:
        if seconds[candidate.name] < (1 - MARGIN) * seconds[best.name]:
            best = candidate
    return best


def situation_of(lm: LM) -> Situation:
    """The processor, threads and shape that the choice for a model depends on."""
    config = lm.config
    shape = shape_of(
        config.num_layers,
        config.hidden_size,
        config.ffn_size,
        config.num_codebooks,
        config.codebook_size,
        cross=config.cross_attention,
    )
    processor = f"{read_processor()}, {torch.backends.cpu.get_cpu_capability()}"
    return Situation(processor, torch.__version__, torch.get_num_threads(), shape)


@torch.inference_mode()
def measure_candidates(lm: LM, candidates: Sequence[Candidate]) -> dict[str, float]:
    """Seconds that each candidate takes for a token step of a few of the model's layers.

    They take turns, and of each layer the fastest round counts: what else the machine does at the
    moment then matters least.
    """
    layers = _sample_layers(lm)
    # Ones, since drawing random numbers would change what a caller draws next.
    states = [torch.ones(ROWS, 1, layer.in_features, device=lm.device) for layer in layers]
    stacks: dict[str, nn.ModuleList] = {}
    for candidate in candidates:
        stacks[candidate.name] = nn.ModuleList(copy.deepcopy(layer) for layer in layers)
        candidate.prepare(stacks[candidate.name])
    best = {name: [math.inf] * len(layers) for name in stacks}
    started = time.monotonic()
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.monotonic() - started > MOST_SECONDS:
            break
        for name, stack in stacks.items():
            best[name] = list(map(min, best[name], _seconds_of_layers(stack, states)))
    return {name: sum(seconds) for name, seconds in best.items()}


def _sample_layers(lm: LM) -> list[nn.Linear]:
    """The linear layers that a step reads, block after block, as many as are measured."""
    chosen: list[nn.Linear] = []
    for block in lm.blocks:
        for name, layer in block.named_modules():
            # Keys and values of the text are computed once, not in every step.
            if isinstance(layer, nn.Linear) and name != "cross.kv":
                chosen.append(layer)
        if sum(4 * layer.weight.numel() for layer in chosen) >= MEASURED_BYTES:
            break
    return chosen


def _seconds_of_layers(layers: nn.ModuleList, states: Sequence[Tensor]) -> list[float]:
    seconds = []
    for layer, state in zip(layers, states, strict=True):
        started = time.perf_counter()
        layer(state)
        seconds.append(time.perf_counter() - started)
    return seconds
