"""A sampler: scores become audio by putting the frames of the bank in a row.

Thousands of times real time on one core.
"""

from functools import lru_cache

import numpy as np

from recipes.nano.bank import Bank, Samples, bank_name
from recipes.nano.codes import frame_at
from recipes.nano.compose.instruments import DRUMS, KIT_SOUNDS, LEVELS, SECTIONS, Sound
from recipes.nano.compose.theory import FRAME
from recipes.nano.score import Excerpt, played

GAINS = (0.55, 0.5, 0.34, 0.55)  # of the sections
RELEASE = 256  # samples of fade-out, at the end of a sound
EVERYTHING = frozenset(range(len(SECTIONS)))


class Sampler:
    """Renders excerpts.

    Args:
        bank: `section/instrument` -> (tones, frames, samples of a frame) at 32 kHz.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.sound_frames = lru_cache(maxsize=4096)(self._mix)

    def render(self, excerpt: Excerpt, sections: frozenset[int] = EVERYTHING) -> Samples:
        """Some sections of an excerpt: (frames * 1280,), within -1..1."""
        audio = np.zeros(excerpt.frames * FRAME, np.float32)
        for event in played(excerpt):
            if event.sound.section in sections:
                start, end = event.start * FRAME, event.end * FRAME
                audio[start:end] += self._held(event.sound, event.age, event.end - event.start)
        return np.clip(audio, -1.0, 1.0, out=audio)

    def _held(self, sound: Sound, age: int, frames: int) -> Samples:
        """A sound that is held for some frames more and then fades out within the last."""
        source = self.sound_frames(sound)
        heard = [frame_at(sound, age + i) for i in range(frames)]
        indices = [len(source) - 1 if frame is None else frame for frame in heard]
        samples: Samples = source[indices].reshape(-1)  # a copy
        samples[-RELEASE:] *= np.linspace(1, 0, RELEASE, dtype=np.float32)
        return samples

    def _mix(self, sound: Sound) -> Samples:
        """The frames of a sound, and one of silence: (frames + 1, samples of a frame)."""
        player = sound.player
        tones = self._bank[bank_name(player)]
        if sound.section == DRUMS:
            rows = [(KIT_SOUNDS.index(drum), LEVELS[mark]) for drum, mark in sound.hits]
        else:
            rows = [(pitch - player.pitches.start, 1.0) for pitch in sound.pitches]
        mixed = sum(level * tones[row] for row, level in rows)
        return np.concatenate([GAINS[sound.section] * mixed, np.zeros((1, FRAME), np.float32)])
