"""Every frame of every single tone and drum, rendered once with FluidSynth, kept in one file.

Reverb and chorus are off, so a tone always sounds the same. The last frames of a tone are made to
repeat without a seam, so that it can be held for any time: the tone is tuned by some cents until
they hold whole periods, kept at one level, and blended into itself.
"""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.nano.codes import repeat
from recipes.nano.compose.instruments import (
    BAND,
    DRUM_FRAMES,
    DRUMS,
    KIT_SOUNDS,
    SECTIONS,
    Instrument,
    Sound,
)
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

DRUM_KEYS = dict(zip(KIT_SOUNDS, (36, 38, 39, 37, 42, 46, 70, 45), strict=True))
DRUM_CHANNEL = 9

NOTE_SECONDS, NOTE_SLOT = 3.3, 4.0  # held; from one note to the next
DRUM_SECONDS, DRUM_SLOT = 0.6, 1.0
VELOCITY = 100
TICKS_PER_SECOND = 1000
LEVEL_SAMPLES = int(0.4 * SAMPLE_RATE)  # a note's level is that of its start
NOTE_RMS, DRUM_PEAK = 0.1, 0.5
LOUDEST_HOLD = 4.0  # how much a fading tone is raised where it repeats

Samples = NDArray[np.float32]
Bank = dict[str, Samples]
"""`section/instrument` -> (tones, frames, samples of a frame)."""


def bank_name(player: Instrument) -> str:
    """The name of an instrument's tones in the bank."""
    return f"{SECTIONS[player.section]}/{player.name}"


def load_bank(path: Path) -> Bank:
    """Read a bank that `build_bank` wrote."""
    with np.load(path) as stored:
        return {name: stored[name].astype(np.float32) / 32767 for name in stored.files}


def save_bank(path: Path, bank: Bank) -> None:
    """Write a bank as 16-bit samples."""
    stored = {
        name: np.round(tones.clip(-1, 1) * 32767).astype(np.int16) for name, tones in bank.items()
    }
    unfinished = path.with_suffix(".part.npz")
    np.savez_compressed(unfinished, allow_pickle=False, **stored)
    unfinished.replace(path)


def build_bank(path: Path, sound_font: Path = SOUND_FONT) -> None:
    """Render all instruments from a sound font and write them."""
    save_bank(path, {bank_name(player): _frames(player, sound_font) for player in BAND})


def _frames(player: Instrument, sound_font: Path) -> Samples:
    if player.section == DRUMS:
        hits = aligned(_render(sound_font, player.program, DRUM_CHANNEL, DRUM_KEYS.values()))
        hits = hits[:, : DRUM_FRAMES * FRAME] * (DRUM_PEAK / np.abs(hits).max(1, keepdims=True))
        fade = np.ones(DRUM_FRAMES * FRAME, np.float32)
        fade[-FRAME:] = np.linspace(1, 0, FRAME)
        return (hits * fade).reshape(len(hits), DRUM_FRAMES, FRAME)
    notes = render_notes(player.program, player.pitches, sound_font)
    sounds = (Sound(player.section, player.name, (pitch,)) for pitch in player.pitches)
    tones = np.stack([
        held(note, player.frames, repeat(sound))
        for note, sound in zip(notes, sounds, strict=True)
    ])  # fmt: skip
    rms = np.sqrt(np.square(tones).mean(axis=(1, 2), keepdims=True))
    return tones * (NOTE_RMS / np.maximum(rms, 1e-5))


def held(note: Samples, frames: int, again: int) -> Samples:
    """The first frames of a note, the last `again` of which repeat without a seam.

    Args:
        note: samples of a long tone, attack first.
        frames: how many frames to keep.
        again: how many of them repeat.

    Returns:
        (frames, samples of a frame)
    """
    note = _tuned(note, frames, again)
    start, end = (frames - again) * FRAME, frames * FRAME
    note = note[: end + FRAME].copy()
    # One level throughout what repeats: that of its first frame.
    power = np.convolve(note.astype(np.float64) ** 2, np.ones(FRAME) / FRAME, "same")
    level = np.sqrt(power[start + FRAME // 2]) / np.sqrt(power[start:].clip(1e-9))
    note[start:] *= level.clip(1 / LOUDEST_HOLD, LOUDEST_HOLD).astype(np.float32)
    blend = np.linspace(0, 1, FRAME, dtype=np.float32)
    # The frame before the repeat, heard again at its end, leads into its first frame.
    note[end - FRAME : end] = (
        note[end - FRAME : end] * (1 - blend) + note[start - FRAME : start] * blend
    )
    return note[:end].reshape(frames, FRAME)


def _tuned(note: Samples, frames: int, again: int) -> Samples:
    """Stretch a note by some cents, so that it is most like itself `again` frames later."""
    lag, start, end = again * FRAME, (frames - again) * FRAME, frames * FRAME
    window = note[start:end].astype(np.float64)
    shifts = np.arange(-lag // 60, lag // 60 + 1)
    likeness = np.array([
        window @ note[start + lag + s : end + lag + s]
        / np.sqrt(np.square(note[start + lag + s : end + lag + s], dtype=np.float64).sum() + 1e-9)
        for s in shifts
    ])  # fmt: skip
    # The nearest of the good ones: every period is one, and tuning should be slight.
    good = np.flatnonzero(
        (likeness[1:-1] >= likeness[:-2])
        & (likeness[1:-1] >= likeness[2:])
        & (likeness[1:-1] > 0.9 * likeness.max())
    )
    if len(good) == 0:
        return note
    best = good[np.abs(shifts[good + 1]).argmin()] + 1
    left, middle, right = likeness[best - 1 : best + 2]
    bend = left - 2 * middle + right
    exact = shifts[best] + (0.5 * (left - right) / bend if bend else 0.0)
    stretch = (lag + exact) / lag
    at = np.arange(int(len(note) / max(stretch, 1)) - 1) * stretch
    return np.interp(at, np.arange(len(note)), note).astype(np.float32)


def render_notes(program: int, pitches: Iterable[int], sound_font: Path = SOUND_FONT) -> Samples:
    """Notes of a General MIDI program (from 0), all equally loud: (pitches, samples).

    Raises:
        FileNotFoundError: there is no such sound font.
    """
    return _levelled(_render(sound_font, program, 0, pitches))


def aligned(notes: Samples) -> Samples:
    """Cut the silence before each note, so that its attack is on the grid."""
    loud = np.abs(notes) > 1e-3 * np.abs(notes).max(axis=1, keepdims=True)
    starts = loud.argmax(axis=1)
    return np.stack([
        np.roll(note, -int(start)) for note, start in zip(notes, starts, strict=True)
    ])  # fmt: skip


def _levelled(notes: Samples) -> Samples:
    notes = aligned(notes)
    rms = np.sqrt((notes[:, :LEVEL_SAMPLES] ** 2).mean(axis=1, keepdims=True))
    levelled: Samples = notes * (NOTE_RMS / np.maximum(rms, 1e-5))
    return levelled


def _render(sound_font: Path, program: int, channel: int, pitches: Iterable[int]) -> Samples:
    """Play the pitches one after the other: (pitches, samples), mono."""
    if not sound_font.exists():
        raise FileNotFoundError(
            f"the sound font {sound_font} is not there; install FluidR3_GM "
            "(Debian: fluid-soundfont-gm) or name one with --sound-font"
        )
    drums = channel == DRUM_CHANNEL
    seconds, slot = (DRUM_SECONDS, DRUM_SLOT) if drums else (NOTE_SECONDS, NOTE_SLOT)
    keys = list(pitches)
    with tempfile.TemporaryDirectory() as folder:
        score, raw = Path(folder, "score.mid"), Path(folder, "audio.raw")
        _write_score(score, program, channel, keys, seconds, slot)
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-r", str(SAMPLE_RATE), "-g", "0.6",
             "-o", "synth.cpu-cores=1",
             "-o", "synth.chorus.active=0", "-o", "synth.reverb.active=0",
             "-T", "raw", "-O", "float", "-F", raw, sound_font, score],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        audio = np.fromfile(raw, dtype=np.float32).reshape(-1, 2).mean(axis=1)
    needed = int((len(keys) + 1) * slot * SAMPLE_RATE)
    audio = np.pad(audio, (0, max(0, needed - len(audio))))
    length = int(seconds * SAMPLE_RATE)
    starts = [int((i + 1) * slot * SAMPLE_RATE) - 64 for i in range(len(keys))]
    return np.stack([audio[start : start + length] for start in starts])


def _write_score(
    path: Path, program: int, channel: int, keys: list[int], seconds: float, slot: float
) -> None:
    import mido  # of the extra `nano`: who has a bank does without

    score = mido.MidiFile(ticks_per_beat=TICKS_PER_SECOND // 2)  # 120 bpm
    track = mido.MidiTrack()
    score.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=500_000))
    for control in (91, 93):  # reverb and chorus send
        track.append(mido.Message("control_change", channel=channel, control=control, value=0))
    track.append(mido.Message("program_change", channel=channel, program=program))
    now = 0
    for index, key in enumerate(keys):
        start = int((index + 1) * slot * TICKS_PER_SECOND)
        held = int(seconds * TICKS_PER_SECOND)
        pause = start - now
        track.append(
            mido.Message("note_on", channel=channel, note=key, velocity=VELOCITY, time=pause)
        )
        track.append(mido.Message("note_off", channel=channel, note=key, velocity=0, time=held))
        now = start + held
    score.save(path)
