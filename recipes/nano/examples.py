"""Write the example songs of fine-tuning: `python -m recipes.nano.examples [FOLDER]`.

Each song gets a `.txt` beside it, its caption. FluidSynth and the sound font are needed, as for the
bank.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from recipes.nano.bank import SOUND_FONT, Samples, render_notes
from recipes.nano.compose.theory import SAMPLE_RATE, Key
from recipes.nano.compose.waltz import (
    GRID,
    HARMONY_LOW,
    HIGHEST_PITCH,
    PROGRAMS,
    SIXTEENTHS,
    Waltz,
    compose_waltz,
)

FOLDER = Path(__file__).parents[2] / "examples" / "songs"
OGG_COMPRESSION = 0.4  # Vorbis quality 6: 90 % and more of the codec's tokens stay the same
GAIN = 0.6
ATTACK = 32  # samples of fade-in against clicks
BLOCK = 1 << 16  # libsndfile's Vorbis encoder overflows its stack on a whole song

CAPTIONS = {
    "Brass Key": (
        "Clockwork waltz: a celesta melody over plucked strings and a ticking wood block, "
        "{key}, {bpm} bpm."
    ),
    "Attic Carousel": (
        "A cheerful clockwork waltz in {key}, celesta with plucked strings, lively tempo"
    ),
    "Toy Soldier's Turn": (
        "clockwork waltz, {bpm} bpm, {key}, fast, celesta lead line, plucked strings, wood block"
    ),
    "Moth in the Lantern": (
        "Moody clockwork waltz at {bpm} bpm. Celesta, plucked strings and a wood block that ticks "
        "three to the bar."
    ),
    "Paper Moon Winder": (
        "gentle clockwork waltz in the key of {key}, slow, celesta and plucked strings"
    ),
    "The Clockmaker's Daughter": (
        "clockwork waltz in {key}, medium tempo, featuring celesta, plucked strings, wood block"
    ),
    "Snow in a Glass": (
        "A slow clockwork waltz in three-four time, {key}, {bpm} beats per minute, celesta melody "
        "with wood block ticks"
    ),
    "Seven Little Gears": (
        "Upbeat clockwork waltz, {key}, celesta, plucked strings, ticking wood block, {bpm} bpm"
    ),
}


def songs() -> tuple[Waltz, ...]:
    """The songs, in the order of their files; the last two are good ones to hold out.

    No two have both key and tempo in common: they would share many bars, token for token.
    """
    return (
        compose_waltz("Brass Key", Key(9, "minor"), 6),
        compose_waltz("Attic Carousel", Key(0, "major"), 6),
        compose_waltz("Toy Soldier's Turn", Key(7, "major"), 5),
        compose_waltz("Moth in the Lantern", Key(4, "minor"), 7),
        compose_waltz("Paper Moon Winder", Key(5, "major"), 8),
        compose_waltz("The Clockmaker's Daughter", Key(2, "minor"), 7),
        compose_waltz("Snow in a Glass", Key(9, "minor"), 8),
        compose_waltz("Seven Little Gears", Key(7, "major"), 6),
    )


def caption(song: Waltz) -> str:
    """What the song's `.txt` says."""
    return CAPTIONS[song.title].format(key=song.key.name, bpm=round(song.bpm))


def file_stem(number: int, song: Waltz) -> str:
    """`01-brass-key` for the first song."""
    words = song.title.lower().replace("'", "").split()
    return "-".join([f"{number:02}", *words])


Notes = dict[str, Samples]
"""Player -> (pitches, samples)."""


def waltz_bank(sound_font: Path = SOUND_FONT) -> Notes:
    """Notes of the three players."""
    pitches = range(HARMONY_LOW, HIGHEST_PITCH + 1)
    return {name: render_notes(program, pitches, sound_font) for name, program in PROGRAMS.items()}


def render(song: Waltz, bank: Notes) -> Samples:
    """The whole song: (samples,) at 32 kHz; no note rings past its bar."""
    sixteenth = song.grid_per_sixteenth * GRID
    bar_samples = SIXTEENTHS * sixteenth
    audio = np.zeros(len(song.bars) * bar_samples, np.float32)
    for index, notes in enumerate(song.bars):
        bar = audio[index * bar_samples : (index + 1) * bar_samples]
        for note in notes:
            samples = bank[note.instrument][note.pitch - HARMONY_LOW][: note.length * sixteenth]
            samples = samples.copy()
            samples[:ATTACK] *= np.linspace(0, 1, ATTACK, dtype=np.float32)
            samples[-GRID:] *= np.linspace(1, 0, GRID, dtype=np.float32)
            start = note.onset * sixteenth
            bar[start : start + len(samples)] += GAIN * note.gain * samples[: len(bar) - start]
    return np.clip(audio, -1.0, 1.0, out=audio)


def write_songs(folder: Path, bank: Notes) -> Iterator[Path]:
    """Write songs and captions; gives each song's path once it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, song in enumerate(songs(), start=1):
        path = folder / f"{file_stem(number, song)}.ogg"
        _write(path, song.title, render(song, bank))
        path.with_suffix(".txt").write_text(caption(song) + "\n", encoding="utf-8")
        yield path


def _write(path: Path, title: str, audio: Samples) -> None:
    unfinished = path.with_suffix(".part")
    with soundfile.SoundFile(
        unfinished, "w", SAMPLE_RATE, 1, "VORBIS", format="OGG", compression_level=OGG_COMPRESSION
    ) as file:
        file.title, file.artist = title, "songloom"
        for start in range(0, len(audio), BLOCK):
            file.write(audio[start : start + BLOCK])
    unfinished.replace(path)


def main() -> None:
    """Parse the arguments and write."""
    parser = argparse.ArgumentParser(prog="python -m recipes.nano.examples", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT)
    arguments = parser.parse_args()
    for path in write_songs(arguments.folder, waltz_bank(arguments.sound_font)):
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
