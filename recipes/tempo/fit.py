"""Fit what fractions and multiples of the beat count in `songloom.dataset.analysis.tempo`.

A softmax over candidates of tempo, linear in their features, by maximum likelihood on sounds whose
tempo is known: random clicks, drums and arpeggios from 60 to 200 beats a minute, and, where the
embedded model's bank has been built, pieces of its composer. Held-out sounds are measured last.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import minimize

from recipes.tempo.sounds import PATTERNS, Sound, arpeggio, clicks, drums, noise
from songloom.dataset.analysis.tempo import (
    CANDIDATES,
    FRACTIONS,
    autocorrelation,
    features,
    onset_strength,
)

SECONDS = 20.0
KICKS = (
    "X.......X.......", "X...X...X...X...", "X.....X...X.....", "X.......X.X.....",
    "X.X.....X.X.....", "X..X..X.........", "X.....X.X.....X.", "X.........X.....",
)  # fmt: skip
SNARES = ("....X.......X...",) * 4 + ("....X..x.x..X...", "....X.......X..X", "....X.......X.X.")
DENSE_HATS = ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx")
HATS = ("x.x.x.x.x.x.x.x.", "x...x...x...x...", "..x...x...x...x.")
CLOSE = 0.03  # of the true tempo

Example = tuple[str, float, NDArray[np.float64]]


def random_sound(random: Generator) -> tuple[str, float, Sound]:
    """A sound of a random kind: (kind, beats a minute, samples)."""
    bpm = float(np.exp(random.uniform(np.log(60), np.log(200))))
    # The slower the beat, the more it is divided: nobody plays eighths alone at 60.
    notes = 4 if bpm < random.uniform(95, 125) else 2
    kind = str(random.choice(["clicks", "drums", "arpeggio", "band"], p=[0.15, 0.4, 0.15, 0.3]))
    if kind == "clicks":
        sound = clicks(bpm, SECONDS, accents=random.random() < 0.5)
    elif kind == "arpeggio":
        sound = arpeggio(bpm, SECONDS, notes, random)
    else:
        sound = _random_drums(bpm, random)
        if kind == "band":
            sound = sound + random.uniform(0.3, 1.5) * arpeggio(bpm, SECONDS, notes, random)
    if random.random() < 0.4:
        sound = sound + noise(SECONDS, random.uniform(0.005, 0.1), random)
    return kind, bpm, sound.astype(np.float32)


def _random_drums(bpm: float, random: Generator) -> Sound:
    dense = random.random() < np.clip((140 - bpm) / 80, 0, 1)
    hats = DENSE_HATS if dense else HATS[:1] if bpm < 85 else HATS
    pattern = (str(random.choice(KICKS)), str(random.choice(SNARES)), str(random.choice(hats)))
    swing, looseness = random.choice([0, 0, 0.15]), random.choice([0, 0.004])
    return drums(bpm, SECONDS, pattern, random, swing=swing, looseness=looseness)


def grid() -> Iterator[tuple[str, float, Sound]]:
    """Every kind of sound at every tempo from 60 to 200, for measuring."""
    for bpm in range(60, 201, 5):
        random = np.random.default_rng(bpm)
        notes = 4 if bpm < 110 else 2
        yield "clicks", bpm, clicks(bpm, SECONDS)
        yield "accented clicks", bpm, clicks(bpm, SECONDS, accents=True)
        yield "arpeggio", bpm, arpeggio(bpm, SECONDS, notes, random)
        for name, pattern in PATTERNS.items():
            yield name, bpm, drums(bpm, SECONDS, pattern, random)
        rock = drums(bpm, SECONDS, PATTERNS["rock"], random)
        yield "rock in noise", bpm, rock + noise(SECONDS, 0.1, random)
        yield "rock and arpeggio", bpm, rock + arpeggio(bpm, SECONDS, notes, random)


def composed(bank: Path, first_seed: int, pieces: int) -> Iterator[tuple[str, float, Sound]]:
    """Pieces of the embedded model's composer."""
    import soxr

    from recipes.nano.bank import load_bank
    from recipes.nano.compose import compose
    from recipes.nano.compose.theory import FRAME_RATE, SAMPLE_RATE
    from recipes.nano.sampler import Sampler
    from recipes.tempo.sounds import RATE

    sampler = Sampler(load_bank(bank))
    for seed in range(first_seed, first_seed + pieces):
        piece = compose(seed)
        audio = sampler.render(piece, round(SECONDS * FRAME_RATE))
        yield "composed", piece.bpm, soxr.resample(audio, SAMPLE_RATE, RATE)


def example(kind: str, bpm: float, sound: Sound) -> Example:
    """What the fit needs to know of a sound."""
    return kind, bpm, features(autocorrelation(onset_strength(sound)))


def fit(examples: list[Example], decay: float) -> NDArray[np.float64]:
    """The weights of the features."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, gradient = decay * weights @ weights, 2 * decay * weights
        for _, bpm, table in examples:
            right = np.abs(CANDIDATES / bpm - 1) < CLOSE
            scores = table @ weights
            chances = np.exp(scores - scores.max())
            share = chances * right
            total += (np.log(chances.sum()) - np.log(share.sum() + 1e-12)) / len(examples)
            difference = chances / chances.sum() - share / (share.sum() + 1e-12)
            gradient = gradient + difference @ table / len(examples)
        return total, gradient

    start = np.zeros(examples[0][2].shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    weights: NDArray[np.float64] = found.x
    return weights


def report(name: str, examples: list[Example], weights: NDArray[np.float64]) -> None:
    """Print how many tempos are right (within 4 %), halved and doubled."""
    ratios = defaultdict(list)
    for kind, bpm, table in examples:
        ratios[kind].append(CANDIDATES[np.argmax(table @ weights)] / bpm)
    print(name)
    for kind, found in [*ratios.items(), ("all", [*chain.from_iterable(ratios.values())])]:
        shares = [np.mean(np.abs(np.array(found) / level - 1) < 0.04) for level in (1, 0.5, 2)]
        print(f"  {kind:20} n {len(found):4}  right {shares[0]:.3f}", end="")
        print(f"  half {shares[1]:.3f}  double {shares[2]:.3f}")


def main() -> None:
    """Fit, measure, and print the module that holds the weights."""
    parser = argparse.ArgumentParser(prog="python -m recipes.tempo.fit", description=__doc__)
    parser.add_argument("--sounds", type=int, default=1600)
    parser.add_argument("--decay", type=float, default=3e-5)
    parser.add_argument("--bank", type=Path, default=Path("build/nano/bank.npz"))
    arguments = parser.parse_args()
    random = np.random.default_rng(1)
    learned = [example(*random_sound(random)) for _ in range(arguments.sounds)]
    held_out = [example(*random_sound(random)) for _ in range(arguments.sounds // 4)]
    if arguments.bank.exists():
        learned += [example(*sound) for sound in composed(arguments.bank, 1_000_000, 300)]
        held_out += [example(*sound) for sound in composed(arguments.bank, 2_000_000, 100)]
    weights = fit(learned, arguments.decay)
    report("learned from", learned, weights)
    report("held out", held_out, weights)
    report("grid", [example(*sound) for sound in grid()], weights)
    table = weights[:-2].reshape(len(FRACTIONS), -1)
    rows = "\n".join("        [" + ", ".join(f"{w:.2f}" for w in row) + "]," for row in table)
    sys.stdout.write(f"WEIGHTS = np.array(\n    [\n{rows}\n    ]\n)\n")
    sys.stdout.write(f"PRIOR = np.array([{weights[-2]:.3f}, {weights[-1]:.3f}])\n")


if __name__ == "__main__":
    main()
