"""Every note of every instrument, rendered once with FluidSynth, kept in one file.

Reverb and chorus are off, so a note always sounds the same: repeated bars give repeated tokens.
"""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.nano.compose.parts import (
    BASS_HIGH,
    BASS_LOW,
    HARMONY_LOW,
    MELODY_HIGH,
)
from recipes.nano.compose.styles import BASSES, DRUMS, KITS, MELODIC
from recipes.nano.compose.theory import SAMPLE_RATE

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

MELODIC_PROGRAMS = dict(
    zip(MELODIC, (0, 4, 11, 12, 25, 27, 48, 65, 73, 56, 81, 89), strict=True)
)  # General MIDI, from 0
BASS_PROGRAMS = dict(zip(BASSES, (32, 33, 38), strict=True))
KIT_PROGRAMS = dict(zip(KITS, (0, 25), strict=True))
DRUM_KEYS = dict(zip(DRUMS, (36, 38, 39, 37, 42, 46, 70), strict=True))
DRUM_CHANNEL = 9

NOTE_SECONDS, NOTE_SLOT = 3.3, 4.0  # held; from one note to the next
DRUM_SECONDS, DRUM_SLOT = 0.6, 1.0
VELOCITY = 100
TICKS_PER_SECOND = 1000
LEVEL_SAMPLES = int(0.4 * SAMPLE_RATE)  # a note's level is that of its start
NOTE_RMS, DRUM_PEAK = 0.1, 0.5

Bank = dict[str, NDArray[np.float32]]  # instrument -> (pitches, samples)


def lowest_pitch(instrument: str) -> int:
    """The pitch of an instrument's first row in the bank."""
    if instrument in KIT_PROGRAMS:
        return 0
    return BASS_LOW if instrument in BASS_PROGRAMS else HARMONY_LOW


def load_bank(path: Path) -> Bank:
    """Read a bank that `build_bank` wrote."""
    with np.load(path) as stored:
        return {name: stored[name].astype(np.float32) / 32767 for name in stored.files}


def build_bank(path: Path, sound_font: Path = SOUND_FONT) -> None:
    """Render all instruments from a sound font and write them as 16-bit samples."""
    bank = {}
    for name, program in MELODIC_PROGRAMS.items():
        bank[name] = render_notes(program, range(HARMONY_LOW, MELODY_HIGH + 1), sound_font)
    for name, program in BASS_PROGRAMS.items():
        bank[name] = render_notes(program, range(BASS_LOW, BASS_HIGH + 1), sound_font)
    for name, program in KIT_PROGRAMS.items():
        hits = _aligned(_render(sound_font, program, DRUM_CHANNEL, DRUM_KEYS.values()))
        bank[name] = hits * (DRUM_PEAK / np.abs(hits).max(axis=1, keepdims=True))
    stored = {name: _sixteen_bit(notes) for name, notes in bank.items()}
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, allow_pickle=False, **stored)
    unfinished.replace(path)


def render_notes(
    program: int, pitches: Iterable[int], sound_font: Path = SOUND_FONT
) -> NDArray[np.float32]:
    """Notes of a General MIDI program (from 0), all equally loud: (pitches, samples).

    Raises:
        FileNotFoundError: there is no such sound font.
    """
    return _levelled(_render(sound_font, program, 0, pitches))


def _sixteen_bit(notes: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(notes.clip(-1, 1) * 32767).astype(np.int16)


def _aligned(notes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the silence before each note, so that its attack is on the grid."""
    loud = np.abs(notes) > 1e-3 * np.abs(notes).max(axis=1, keepdims=True)
    starts = loud.argmax(axis=1)
    aligned: list[NDArray[np.float32]] = [
        np.roll(note, -int(start)) for note, start in zip(notes, starts, strict=True)
    ]
    return np.stack(aligned)


def _levelled(notes: NDArray[np.float32]) -> NDArray[np.float32]:
    aligned = _aligned(notes)
    rms = np.sqrt((aligned[:, :LEVEL_SAMPLES] ** 2).mean(axis=1, keepdims=True))
    levelled: NDArray[np.float32] = aligned * (NOTE_RMS / np.maximum(rms, 1e-5))
    return levelled


def _render(
    sound_font: Path, program: int, channel: int, pitches: Iterable[int]
) -> NDArray[np.float32]:
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
