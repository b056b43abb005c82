"""A bank of plain decaying tones, for tests without FluidSynth."""

import numpy as np

from recipes.nano.bank import NOTE_SECONDS, Bank, lowest_pitch
from recipes.nano.compose.parts import BASS_HIGH, MELODY_HIGH
from recipes.nano.compose.styles import BASSES, DRUMS, KITS, MELODIC
from recipes.nano.compose.theory import SAMPLE_RATE


def tone_bank() -> Bank:
    time = np.arange(int(NOTE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0)
    bank: Bank = {}
    for partials, instrument in enumerate((*MELODIC, *BASSES), start=1):
        highest = BASS_HIGH if instrument in BASSES else MELODY_HIGH
        pitches = np.arange(lowest_pitch(instrument), highest + 1)
        hertz = 440 * 2 ** ((pitches - 69) / 12)
        wave = np.sin(2 * np.pi * hertz[:, None] * (1 + partials % 3) * time)
        bank[instrument] = (0.1 * wave * np.exp(-time)).astype(np.float32)
    for kit in KITS:
        hits = noise.standard_normal((len(DRUMS), SAMPLE_RATE // 2)) * np.exp(-20 * time[:16000])
        bank[kit] = (0.1 * hits).astype(np.float32)
    return bank
