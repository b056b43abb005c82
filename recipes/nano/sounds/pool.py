"""Pools on the disk: stems, and mixes of them, as 16-bit samples that are mapped into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from recipes.nano.compose.theory import SAMPLE_RATE
from recipes.nano.sounds.bands import play_bands
from recipes.nano.sounds.mixing import BANDS, draw_mix
from recipes.nano.sounds.sampled import (
    KITS,
    PROGRAMS,
    STEM,
    Samples,
    render_beats,
    render_stems,
)
from recipes.nano.sounds.voices import synthesize_stem

FIRST_BAND, TOGETHER = 700_000_000, 24  # songs that one run of FluidSynth plays
MIX_SECONDS = 4
MIX = MIX_SECONDS * SAMPLE_RATE  # samples
LOUD = 32_000  # of 16 bits, where a stem is loudest


@dataclass(frozen=True)
class PoolSizes:
    """How much of everything there is."""

    stems_of_a_program: int = 8
    beats_of_a_kit: int = 24
    synthesized: int = 800
    bands: int = 960
    mixes: int = 6000
    """Of each of two pools: one with bands, and one of loose stems."""


def build_pools(folder: Path, sound_font: Path, sizes: PoolSizes) -> list[np.ndarray]:
    """Mixes to train on, (mixes, samples) of 16 bits each, made where they are not there yet.

    Args:
        folder: where pools are kept.
        sound_font: of stems and bands.
        sizes: how many of each.
    """
    stems, bands = folder / "stems.npy", folder / "bands.npy"
    mixes = [folder / "mixes-bands.npy", folder / "mixes-stems.npy"]
    if not all(path.exists() for path in mixes):
        build_stems(stems, sound_font, sizes)
        if sizes.bands:
            build_bands(bands, sound_font, sizes.bands)
    for path, share in zip(mixes, (BANDS if sizes.bands else 0.0, 0.0), strict=True):
        build_mixes(path, stems, bands, sizes.mixes, share)
    return [np.load(path, mmap_mode="r") for path in mixes]


def build_stems(path: Path, sound_font: Path, sizes: PoolSizes) -> None:
    """Render every stem, where that is not done yet: (stems, samples) of 16 bits."""
    if path.exists():
        return
    rows = [_quantize(stem) for stem in _stems(sound_font, sizes) if np.abs(stem).max() > 1e-3]
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.save(file, np.stack(rows))
    unfinished.replace(path)


def build_bands(path: Path, sound_font: Path, count: int) -> None:
    """Play the songs of bands, where that is not done yet: (songs, samples) of 16 bits."""
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    rows = np.lib.format.open_memmap(unfinished, "w+", np.int16, (count, STEM))
    for start in range(0, count, TOGETHER):
        seeds = range(FIRST_BAND + start, FIRST_BAND + min(start + TOGETHER, count))
        for row, song in enumerate(play_bands(seeds, sound_font), start=start):
            rows[row] = _quantize(song)
    rows.flush()
    unfinished.replace(path)


def build_mixes(path: Path, stems: Path, bands: Path, count: int, share: float) -> None:
    """Draw mixes, `share` of them with a band, where that is not done: (mixes, samples)."""
    if path.exists():
        return
    all_stems = np.load(stems, mmap_mode="r")
    all_bands = np.load(bands, mmap_mode="r") if share else None
    unfinished = path.with_suffix(".part")
    mixes = np.lib.format.open_memmap(unfinished, "w+", np.int16, (count, MIX))
    for number in range(count):
        random = Random(f"{path.stem} {number}")
        chosen = all_bands if random.random() < share else None
        mixes[number] = np.round(draw_mix(all_stems, chosen, MIX, random) * 32767)
    mixes.flush()
    unfinished.replace(path)


def _stems(sound_font: Path, sizes: PoolSizes) -> Iterator[Samples]:
    if sizes.stems_of_a_program:
        for program in range(PROGRAMS):
            random = Random(f"program {program}")
            yield from render_stems(program, sizes.stems_of_a_program, random, sound_font)
    if sizes.beats_of_a_kit:
        for kit in KITS:
            yield from render_beats(kit, sizes.beats_of_a_kit, Random(f"kit {kit}"), sound_font)
    for seed in range(sizes.synthesized):
        yield synthesize_stem(seed)


def _quantize(stem: Samples) -> np.ndarray:
    loudest = max(float(np.abs(stem).max()), 1e-3)
    return np.round(stem[:STEM] * (LOUD / loudest)).astype(np.int16)
