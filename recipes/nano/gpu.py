"""The language model on a borrowed GPU, in two runs of ten minutes.

    python -m recipes.nano.gpu IN OUT

The machine needs this repository and its Python environment, but neither network nor FluidSynth. IN
holds the bank and the trained codec, and for the second run what the first left in OUT. OUT gets
everything that a later run goes on from, in files of at most 15 MB, and at the end the model:

    python -m recipes.nano bank --work in          # once, where FluidSynth is
    python -m recipes.nano codec --work in         # on a CPU, where it takes hours
    python -m recipes.nano.gpu in out              # first run
    cp out/* in/; python -m recipes.nano.gpu in out --last
"""

import argparse
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from recipes.nano.__main__ import RECIPE, SMOKE, Recipe, Sizes
from recipes.nano.runs import load_checkpoint, within

PIECE_BYTES = 15_000_000
KEPT = ("codec.pt", "reading.pt", "tokenizer.json", "lm.pt")
PROBE_SECONDS = 20.0  # of language model training, which tell how many steps there is time for
LEFT_SECONDS = 45.0  # for packing
GPU_SIZES = replace(
    RECIPE,
    reading=replace(RECIPE.reading, batch=512, steps=500),
    training=replace(
        RECIPE.training, batch=16, short_batch=160, steps=1_000_000, report_seconds=60.0
    ),
)
TOY_SIZES = replace(SMOKE, training=replace(SMOKE.training, steps=1_000_000))


def split(folder: Path, out: Path) -> None:
    """Copy what is kept of a work folder, in pieces, with their digests."""
    out.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name in KEPT:
        if (folder / name).exists():
            for number, piece in enumerate(_pieces(folder / name)):
                path = out / f"{name}.{number:02}"
                path.write_bytes(piece)
                digests[path.name] = hashlib.sha256(piece).hexdigest()
    (out / "pieces.json").write_text(json.dumps(digests, indent=1) + "\n")


def join(source: Path, folder: Path) -> None:
    """Put together what `split` wrote, where there is something.

    Raises:
        ValueError: a piece is missing or damaged.
    """
    listed = source / "pieces.json"
    if not listed.exists():
        return
    contents: dict[str, bytes] = {}
    for name, digest in sorted(json.loads(listed.read_text()).items()):
        piece = source / name
        if not piece.exists() or hashlib.sha256(piece.read_bytes()).hexdigest() != digest:
            raise ValueError(
                f"{piece} is missing or not as it was written; copy the run's files again"
            )
        whole = name.rpartition(".")[0]
        contents[whole] = contents.get(whole, b"") + piece.read_bytes()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def run(source: Path, out: Path, minutes: float, last: bool, sizes: Sizes, device: str) -> None:
    """One run: what is left of the early stages, then the language model until the time is up."""
    end = time.monotonic() + 60 * minutes
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    for path in (*source.glob("*.npz"), *(source / name for name in KEPT)):
        if path.exists():
            shutil.copy(path, work / path.name)
    join(source, work)
    helpers = max(0, (os.cpu_count() or 1) - 2)
    early = Recipe(work, sizes, device)
    early.reading()

    step = _step(work)
    started = time.monotonic()
    early.lm(within(min(PROBE_SECONDS, 15 * minutes)), helpers)
    speed = (_step(work) - step) / (time.monotonic() - started)
    left = max(0.0, end - time.monotonic() - LEFT_SECONDS * min(1.0, minutes))
    to_come = left if last else left + 60 * minutes - LEFT_SECONDS * min(1.0, minutes)
    steps = _step(work) + max(1, int(speed * to_come))
    print(f"{speed:.2f} steps a second: the schedule ends at step {steps}")
    planned = replace(sizes, training=replace(sizes.training, steps=steps))
    recipe = Recipe(work, planned, device)
    recipe.lm(within(left), helpers)
    split(work, out)
    for log in work.glob("*.log"):
        shutil.copy(log, out / log.name)
    if last:
        recipe.pack(out / "model")
        for path in (out / "model").iterdir():
            for number, piece in enumerate(_pieces(path)):
                (out / f"model-{path.name}.{number:02}").write_bytes(piece)
        shutil.rmtree(out / "model")
    shutil.rmtree(work)


def _step(work: Path) -> int:
    state = load_checkpoint(work / "lm.pt")
    return int(state["step"]) if state else 0


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m recipes.nano.gpu", description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--minutes", type=float, default=9.0, help="of this run")
    parser.add_argument("--last", action="store_true", help="let the schedule end with this run")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    sizes = TOY_SIZES if arguments.smoke else GPU_SIZES
    run(
        arguments.source, arguments.out, arguments.minutes, arguments.last, sizes, arguments.device
    )  # fmt: skip


if __name__ == "__main__":
    main()
