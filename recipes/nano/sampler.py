"""A sampler: pieces become audio by adding up the notes of the bank, on the frame grid."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recipes.nano.bank import KIT_PROGRAMS, Bank, lowest_pitch
from recipes.nano.compose.parts import Note
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.theory import FRAME, SIXTEENTHS

MIX_GAIN = 0.6
ATTACK = 32  # samples of fade-in against clicks
RELEASE = FRAME  # samples of fade-out, inside the note's length
LONGEST_HIT = 12 * FRAME
Audio = NDArray[np.float32]


class Sampler:
    """Renders pieces at thousands of times real time.

    Args:
        bank: `instrument -> (pitches, samples)` at 32 kHz.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._note = lru_cache(maxsize=4096)(self._cut_note)

    def render(self, piece: Piece, frames: int) -> Audio:
        """The first `frames` codec frames of a piece: (frames * 640,), within -1..1."""
        bars: dict[tuple[Note, ...], Audio] = {}
        audio = np.zeros(frames * FRAME, np.float32)
        length = piece.frames_per_bar * FRAME
        for index, start in enumerate(range(0, len(audio), length)):
            notes = piece.bar(index)
            if notes not in bars:
                bars[notes] = self.render_bar(notes, piece.frames_per_sixteenth)
            audio[start : start + length] = bars[notes][: len(audio) - start]
        return audio

    def render_bar(
        self, notes: tuple[Note, ...], frames_per_sixteenth: int, sixteenths: int = SIXTEENTHS
    ) -> Audio:
        """One bar: (sixteenths * frames_per_sixteenth * 640,); no note rings past its end."""
        bar = np.zeros(sixteenths * frames_per_sixteenth * FRAME, np.float32)
        for note in notes:
            samples = self._note(note.instrument, note.pitch, note.length * frames_per_sixteenth)
            start = note.onset * frames_per_sixteenth * FRAME
            bar[start : start + len(samples)] += MIX_GAIN * note.gain * samples[: len(bar) - start]
        return np.clip(bar, -1.0, 1.0, out=bar)

    def _cut_note(self, instrument: str, pitch: int, frames: int) -> Audio:
        length = frames * FRAME
        if instrument in KIT_PROGRAMS:
            length = min(length, LONGEST_HIT)
        samples: Audio = self._bank[instrument][pitch - lowest_pitch(instrument)][:length].copy()
        samples[:ATTACK] *= np.linspace(0, 1, ATTACK, dtype=np.float32)
        samples[-RELEASE:] *= np.linspace(1, 0, RELEASE, dtype=np.float32)
        return samples
