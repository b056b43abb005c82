"""The precisions that were measured to be fastest on this machine, kept in SONGLOOM_HOME.

A record is a file of its own in the folder `precision`. What can't be read counts as not measured,
and what can't be written is measured again by the next process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from songloom.checkpoints.home import home
from songloom.errors import OutputError
from songloom.whole_files import write_text


@dataclass(frozen=True)
class Situation:
    """All that decides which precision is the fastest."""

    processor: str
    torch: str
    """PyTorch's version, its build included."""
    threads: int
    shape: str
    """The language model's, see `shape_of`."""


@dataclass(frozen=True)
class PrecisionRecord:
    """A measurement of candidates in a situation, and the choice."""

    situation: Situation
    precision: str
    """The choice."""
    seconds: Mapping[str, float]
    """Of every candidate: the time that the measured layers took for one token step."""


def precision_folder() -> Path:
    """The folder of the records; removing it has everything measured again."""
    return home() / "precision"


def shape_of(layers: int, width: int, ffn: int, codebooks: int, card: int, *, cross: bool) -> str:
    """A language model's shape in words, by which models share a record."""
    attention = "with" if cross else "without"
    return (
        f"{layers} layers of {width} and {ffn}, {attention} cross-attention, "
        f"{codebooks} codebooks of {card}"
    )


def shape_of_config(config: Mapping[str, Any]) -> str | None:
    """The shape that a `config.json` of transformers' layout tells; None where it tells none."""
    decoder = config.get("decoder")
    if not isinstance(decoder, dict):
        return None
    names = ("num_hidden_layers", "hidden_size", "ffn_dim", "num_codebooks", "vocab_size")
    numbers: list[Any] = [decoder.get(name) for name in names]
    if not all(isinstance(number, int) for number in numbers):
        return None
    layers, width, ffn, codebooks, card = numbers
    cross = config.get("model_type") != "musicgen_melody"
    return shape_of(layers, width, ffn, codebooks, card, cross=cross)


def read_record(situation: Situation) -> PrecisionRecord | None:
    """The record of a situation; None if there is none, or it can't be read."""
    record = _read(_path_of(situation))
    return record if record is not None and record.situation == situation else None


def read_records() -> tuple[PrecisionRecord, ...]:
    """Everything that was measured."""
    try:
        paths = sorted(precision_folder().glob("*.json"))
    except OSError:
        return ()
    return tuple(record for path in paths if (record := _read(path)) is not None)


def write_record(record: PrecisionRecord) -> None:
    """Keep a record, where the folder can be written."""
    path = _path_of(record.situation)
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(record), indent=2) + "\n")


def _path_of(situation: Situation) -> Path:
    text = json.dumps(asdict(situation), sort_keys=True)
    return precision_folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> PrecisionRecord | None:
    try:
        content = json.loads(path.read_bytes())
        situation = Situation(**content["situation"])
        seconds = {str(name): float(value) for name, value in content["seconds"].items()}
        precision = str(content["precision"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return PrecisionRecord(situation, precision, seconds) if precision in seconds else None
