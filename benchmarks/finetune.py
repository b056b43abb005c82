"""Does fine-tuning work? What it does to held-out songs, and to what the model then makes.

The embedded model is trained on six of the example songs (`examples/songs`); two are held out. The
same number of updates, everything else equal, on the controls:

- `other songs`: six pieces in styles the model knows. Is it the songs that help, or any training?
- `both kinds`: the six songs and those six pieces. Does the model keep the two apart by words?
- `both, captions shuffled`: the same with captions exchanged at random over all twelve. Teacher
  forcing shows the model what it is hearing, so its loss falls without words, too; what the words
  are worth shows where nothing was heard yet (`first second`), and in clips made from words alone.

Clips of all models have the same prompts and seeds. Their distance to the held-out songs
(`benchmarks.style`) is that after the codec. `copied` is the longest stretch of a clip whose tokens
stand in a training song, all codebooks agreeing. Needs FluidSynth.

    python -m benchmarks.finetune [--quick] [--json]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor

import songloom
from benchmarks.report import Options, finish, options, say
from benchmarks.style import (
    HELD_OUT,
    OWN_FIRST_SEED,
    SAMPLE_RATE,
    SECONDS,
    SONGS,
    Sound,
    Yardstick,
    example_excerpts,
    own_excerpts,
    own_sampler,
    through_codec,
)
from recipes.nano.compose import caption, compose
from recipes.nano.compose.theory import FRAME_RATE
from recipes.nano.score import Excerpt
from songloom.audio.files import read_audio
from songloom.checkpoints.components import Components
from songloom.checkpoints.load import load_components
from songloom.models.delay import apply_delay
from songloom.training.memorization import TokenizedSong, longest_runs, merge_longest

BASE = "nano"
WINDOW = SECONDS * FRAME_RATE  # frames of which a loss is measured at once
OPENING = FRAME_RATE  # frames: before the ear knows what it hears
OTHER_SECONDS = 34
SETTINGS: Any = {
    "optimizer": "adamw",
    "batch_size": 4,
    "window_seconds": 4.0,
    "cfg_p": 0.15,
    "lora_rank": 32,
    "lora_targets": "all",
}
"""What the embedded model learns a style with in a minute or two."""
LORA_RATE, FULL_RATE = 6e-3, 2e-3

STYLE_PROMPTS = (
    "clockwork waltz in A minor, celesta, plucked strings, ticking wood block, 125 bpm",
    "cheerful clockwork waltz, C major, celesta melody, plucked strings and wood block",
    "slow clockwork waltz, A minor, 94 bpm, celesta and plucked strings",
    "fast clockwork waltz in G major, celesta, plucked strings, wood block, 150 bpm",
    "a moody clockwork waltz in E minor, celesta, ticking wood block",
    "gentle clockwork waltz in F major, celesta with plucked strings, slow",
    "clockwork waltz, D minor, medium tempo, celesta lead line",
    "clockwork waltz",
)
OTHER_PROMPTS = (
    "rock, electric guitar melody, electric bass, acoustic drums, A minor, 125 bpm",
    "techno in C minor, synth lead, synth bass, electronic drums, fast",
    "gentle ballad, C major, piano, strings, slow",
    "funk, trumpet melody, electric guitar chords, electric bass, drums, D minor",
    "bossa nova, flute, acoustic guitar, upright bass, G major",
    "lo-fi, electric piano, double bass, live drums, slow, F major",
    "ambient, vibraphone, warm pad, E minor, very slow",
    "solo piano, A minor, medium tempo",
)


HEADER = """
| model | loss 0 | 1 | 2 | 3 | mean | first second | asked | unasked | copied | time |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    updates: int
    clips: int
    """Of each kind of prompt."""
    pool: int
    """Pieces that distances are standardised over, beside the example songs."""


FULL, QUICK = Sizes(100, 8, 48), Sizes(24, 4, 16)


@dataclass(frozen=True)
class Song:
    """A file's sound and its caption."""

    stem: str
    sound: Sound
    caption: str


@dataclass(frozen=True)
class Score:
    """What was measured of one model."""

    losses: Tensor
    """(K,) cross-entropy on held-out songs, nats."""
    opening: float
    """The same over the first second of each window, mean of the codebooks."""
    asked: list[float]
    """Distances of clips to the held-out songs, where prompts ask for the style."""
    unasked: list[float]
    """The same where prompts ask for others."""
    copied: float
    """Seconds."""

    def values(self) -> dict[str, float]:
        """What is printed, by name."""
        books = {f"loss {k}": float(loss) for k, loss in enumerate(self.losses)}
        return books | {
            "loss": float(self.losses.mean()),
            "first second": self.opening,
            "asked": mean(self.asked),
            "unasked": mean(self.unasked),
            "copied": self.copied,
        }

    def row(self, name: str, seconds: float) -> str:
        """A line of the table."""
        cells = [f"{value:.2f}" for value in self.values().values()]
        return " | ".join([f"| {name}", *cells, f"{seconds:.0f} s |"])


def style_songs(held_out: bool) -> list[Song]:
    """The example songs that are held out, or the others."""
    return [
        Song(
            path.stem,
            read_audio(path).samples[0].numpy(),
            path.with_suffix(".txt").read_text().strip(),
        )
        for path in sorted(SONGS.glob("*.ogg"))
        if (path.stem in HELD_OUT) == held_out
    ]


def other_songs(count: int) -> list[Song]:
    """Pieces in the embedded model's own styles that it was not trained on."""
    sampler, songs = own_sampler(), []
    for seed in range(OWN_FIRST_SEED + 1000, OWN_FIRST_SEED + 1000 + count):
        piece = compose(seed)
        sound = sampler.render(Excerpt(piece, 0, OTHER_SECONDS * FRAME_RATE))
        songs.append(Song(f"own-{seed}", sound, caption(piece, Random(seed))))
    return songs


def shuffled(songs: Sequence[Song]) -> list[Song]:
    """The songs with captions exchanged at random; none keeps its own."""
    random, order = Random(1), list(range(len(songs)))
    while any(i == j for i, j in enumerate(order)):
        random.shuffle(order)
    return [replace(song, caption=songs[j].caption) for song, j in zip(songs, order, strict=True)]


def train(name: str, songs: Iterable[Song], full: bool, updates: int, work: Path) -> Path:
    """Fine-tune on all of these songs, with their captions and no other labels."""
    folder = work / name.replace(" ", "-")
    folder.mkdir()
    for song in songs:
        soundfile.write(folder / f"{song.stem}.wav", song.sound, SAMPLE_RATE)
        (folder / f"{song.stem}.txt").write_text(song.caption, encoding="utf-8")
    request = songloom.TrainingRequest(
        dataset_path=folder,
        auto_labeling=False,
        held_out=0,
        epochs=1,
        updates_per_epoch=updates,
        full=full,
        lr=FULL_RATE if full else LORA_RATE,
        previews=0,
        **SETTINGS,
    )
    return songloom.train(request).path


@torch.inference_mode()
def held_out_loss(
    model: Components, codes: Sequence[Tensor], captions: Sequence[str]
) -> tuple[Tensor, float]:
    """Cross-entropy (K,) of songs' tokens given their captions, and that of openings."""
    lm, special = model.lm, model.lm.config.special_token
    whole, opening = [], []
    for song, text in zip(codes, captions, strict=True):
        prefix = lm.prefix(model.text(text), None, None)
        for start in range(0, song.shape[1] - WINDOW + 1, WINDOW):
            window = song[None, :, start : start + WINDOW]
            tokens = apply_delay(window, lm.config.delays, special)
            logits, targets = lm(tokens[:, :, :-1], prefix), tokens[:, :, 1:]
            losses = F.cross_entropy(
                logits.permute(0, 3, 1, 2), targets, ignore_index=special, reduction="none"
            )[0]
            known = targets[0] != special
            whole.append((losses * known).sum(1) / known.sum(1))
            opening.append(losses[:, :OPENING][known[:, :OPENING]].mean())
    return torch.stack(whole).mean(0), float(torch.stack(opening).mean())


def requests(prompts: Sequence[str], count: int) -> list[songloom.GenerationRequest]:
    """`count` requests, of the prompts in turn, each with a seed of its own."""
    return [
        songloom.GenerationRequest(
            prompt=prompts[i % len(prompts)],
            duration=SECONDS,
            seed=i,
            normalization_strategy="clip",
        )
        for i in range(count)
    ]


def score(
    model: Path,
    held_out: Sequence[Song],
    learned: Sequence[Song],
    yardstick: Yardstick,
    clips: int,
) -> Score:
    """Measure a model: `learned` are the songs that it was trained on, or would have been."""
    components = load_components(model)
    codes = [coded(components, song) for song in held_out]
    losses, opening = held_out_loss(components, codes, [song.caption for song in held_out])
    tracks = songloom.load(model, device="cpu").generate(
        [*requests(STYLE_PROMPTS, clips), *requests(OTHER_PROMPTS, clips)]
    )
    distances = [yardstick.distance(track.audio.mean(dim=0).numpy()) for track in tracks]
    return Score(
        losses,
        opening,
        distances[:clips],
        distances[clips:],
        longest_copy([track.tokens for track in tracks], learned, components),
    )


def longest_copy(clips: Sequence[Tensor], songs: Iterable[Song], model: Components) -> float:
    """Seconds of the longest stretch of clips (K, t) whose tokens stand in one of the songs."""
    tokens = (TokenizedSong(song.stem, coded(model, song)) for song in songs)
    return merge_longest(longest_runs(clips, tokens)).exact.frames / FRAME_RATE


@torch.inference_mode()
def coded(model: Components, song: Song) -> Tensor:
    """Tokens of a song, (K, T)."""
    return model.codec.encode(torch.from_numpy(song.sound)[None])


def measure(run: Options) -> dict[str, float | int | str]:
    """Train all, measure all, print the table."""
    sizes = QUICK if run.quick else FULL
    songs, held_out = style_songs(held_out=False), style_songs(held_out=True)
    others = other_songs(len(songs))
    both = [*songs, *others]
    target, own = through_codec(example_excerpts(held_out=True)), own_excerpts(sizes.pool)
    rest, own = through_codec(example_excerpts(held_out=False)), through_codec(own)
    yardstick = Yardstick.of(target, [*target, *rest, *own])
    trainings = {
        "LoRA": (songs, False),
        "all weights": (songs, True),
        "other songs": (others, False),
        "both kinds": (both, False),
        "both, captions shuffled": (shuffled(both), False),
    }
    results: dict[str, float | int | str] = {"updates": sizes.updates, "clips": sizes.clips}
    results["distance of the style's other songs"] = mean(map(yardstick.distance, rest))
    results["distance of the base's own styles"] = mean(map(yardstick.distance, own))
    base = load_components(BASE)
    results["seconds that held-out songs share with the others"] = longest_copy(
        [coded(base, song) for song in held_out], songs, base
    )
    say(HEADER, run)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        os.environ["SONGLOOM_HOME"] = str(work / "home")
        for name in ("no training", *trainings):
            learned, model, started = songs, Path(BASE), monotonic()
            if name in trainings:
                learned, full = trainings[name]
                model = train(name, learned, full, sizes.updates, work)
            seconds = monotonic() - started
            scored = score(model, held_out, learned, yardstick, sizes.clips)
            say(scored.row(name, seconds), run)
            results |= {f"{name}: {key}": value for key, value in scored.values().items()}
            if name in trainings:
                results[f"{name}: training seconds"] = seconds
    return results


def mean(values: Iterable[float]) -> float:
    """The mean."""
    return float(np.mean(list(values)))


if __name__ == "__main__":
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
