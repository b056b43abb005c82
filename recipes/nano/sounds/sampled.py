"""Stems from a sound font: phrases by every program and every drum kit, played by FluidSynth."""

import subprocess
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.nano.compose.theory import SAMPLE_RATE

STEM_SECONDS = 10
STEM = STEM_SECONDS * SAMPLE_RATE  # samples
PROGRAMS = 128
KITS = (0, 8, 16, 24, 25, 32, 40, 48)  # of General MIDI level 2
DRUM_KEYS = range(35, 82)
BACKBONE = (36, 38, 42, 46)  # kick, snare, closed and open hi-hat
DRUM_CHANNEL = 9
TICKS = 1000  # a second
LOWEST, HIGHEST = 26, 98  # MIDI pitches of phrases
CHORDS = (
    (0,),
    (0,),
    (0, 12),
    (0, 7),
    (0, 4, 7),
    (0, 3, 7),
    (0, 5, 10),
    (0, 4, 7, 11),
    (0, 3, 7, 10),
)
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))

Samples = NDArray[np.float32]
Note = tuple[float, float, int, int]
"""Onset and length in seconds, MIDI pitch, velocity."""
Score = list[tuple[float, Any]]
"""Seconds and MIDI messages, in any order."""


def render_stems(program: int, count: int, random: Random, sound_font: Path) -> Samples:
    """Phrases by one program of General MIDI: (count, samples), each at its own level."""
    phrases = [_draw_phrase(random) for _ in range(count)]
    return _render(phrases, program, 0, random, sound_font)


def render_beats(kit: int, count: int, random: Random, sound_font: Path) -> Samples:
    """Beats and rolls by one drum kit: (count, samples)."""
    beats = [_draw_beat(random) for _ in range(count)]
    return _render(beats, kit, DRUM_CHANNEL, random, sound_font)


def _draw_phrase(random: Random) -> list[Note]:
    scale, tonic = random.choice(SCALES), random.randrange(12)
    center = random.triangular(LOWEST + 8, HIGHEST - 12, 58)
    shape = random.choice(CHORDS)
    pace = 10 ** random.uniform(-1.0, 0.4)  # seconds from note to note
    legato = random.uniform(0.3, 1.5)
    loudness = random.randint(45, 115)
    step, now, notes = random.randrange(7), random.uniform(0, 0.3), []
    while now < STEM_SECONDS - 0.2:
        step += random.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))
        octave, degree = divmod(step, len(scale))
        pitch = tonic + scale[degree] + 12 * octave
        pitch += 12 * round((center - pitch) / 12)
        velocity = max(20, min(127, loudness + random.randint(-15, 15)))
        length = pace * legato
        if random.random() > 0.12:
            for interval in shape:
                if LOWEST <= pitch + interval <= HIGHEST:
                    notes.append((now, length, pitch + interval, velocity))
        now += pace * random.choice((0.5, 1, 1, 1, 2))
    return notes


def _draw_beat(random: Random) -> list[Note]:
    sixteenth = 15 / random.uniform(60, 180)
    keys = [*BACKBONE, *random.sample(DRUM_KEYS, 3)]
    steps = random.choice((8, 12, 16))
    chances = {key: random.choice((0.06, 0.12, 0.25, 0.5)) for key in keys}
    lanes = {key: [random.random() < chances[key] for _ in range(steps)] for key in keys}
    notes, count = [], int(STEM_SECONDS / sixteenth)
    for number in range(count - 2):
        for key in keys:
            if lanes[key][number % steps]:
                notes.append((number * sixteenth, 0.2, key, random.randint(40, 127)))
    return notes


def _render(
    phrases: list[list[Note]], program: int, channel: int, random: Random, sound_font: Path
) -> Samples:
    """Play the phrases one after the other; what still sounds at a phrase's end is cut there."""
    import mido  # of the extra `nano`

    events: Score = []
    wet = random.random() < 0.3
    for control, value in ((91, 60 * wet), (93, 50 * (wet and random.random() < 0.5))):
        events.append(
            (0.0, mido.Message("control_change", channel=channel, control=control, value=value))
        )
    events.append((0.0, mido.Message("program_change", channel=channel, program=program)))
    for number, notes in enumerate(phrases):
        start = 0.1 + number * STEM_SECONDS
        bend = random.choice((0, 0, random.randint(-2000, 2000)))  # of 8192: two semitones
        events.append((start - 0.05, mido.Message("control_change", channel=channel, control=120)))
        events.append((start - 0.04, mido.Message("pitchwheel", channel=channel, pitch=bend)))
        for onset, length, pitch, velocity in notes:
            end = min(onset + length, STEM_SECONDS - 0.1)
            events.append(
                (
                    start + onset,
                    mido.Message("note_on", channel=channel, note=pitch, velocity=velocity),
                )
            )
            events.append((start + end, mido.Message("note_off", channel=channel, note=pitch)))
    length = len(phrases) * STEM
    first = int(0.1 * SAMPLE_RATE)
    audio = play_score(events, len(phrases) * STEM_SECONDS + 0.1, sound_font)
    return audio[first : first + length].reshape(len(phrases), STEM)


def play_score(score: Score, seconds: float, sound_font: Path) -> Samples:
    """Play a score with FluidSynth: mono (samples,)."""
    import mido

    file = mido.MidiFile(ticks_per_beat=TICKS // 2)  # at 120 bpm, so a tick is a millisecond
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=500_000))
    now = 0
    for time, message in sorted(score, key=lambda event: event[0]):
        tick = round(time * TICKS)
        track.append(message.copy(time=tick - now))
        now = tick
    with tempfile.TemporaryDirectory() as folder:
        path, raw = Path(folder, "score.mid"), Path(folder, "audio.raw")
        file.save(path)
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-r", str(SAMPLE_RATE), "-g", "0.5",
             "-o", "synth.cpu-cores=1", "-T", "raw", "-O", "float", "-F", raw, sound_font, path],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        audio = np.fromfile(raw, dtype=np.float32).reshape(-1, 2).mean(axis=1)
    length = round(seconds * SAMPLE_RATE)
    return np.pad(audio, (0, max(0, length - len(audio))))[:length]
