"""A bank of plain tones, for tests without FluidSynth."""

import numpy as np

from recipes.nano.bank import Bank, bank_name
from recipes.nano.compose.instruments import BAND, DRUMS, KIT_SOUNDS
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE


def tone_bank() -> Bank:
    noise = np.random.default_rng(0)
    bank: Bank = {}
    for partials, player in enumerate(BAND, start=1):
        time = np.arange(player.frames * FRAME) / SAMPLE_RATE
        if player.section == DRUMS:
            sound = noise.standard_normal((len(KIT_SOUNDS), len(time))) * np.exp(-20 * time)
        else:
            hertz = 440 * 2 ** ((np.array(player.pitches) - 69) / 12)
            sound = np.sin(2 * np.pi * hertz[:, None] * (1 + partials % 3) * time) * np.exp(-time)
        shape = (len(sound), player.frames, FRAME)
        bank[bank_name(player)] = (0.1 * sound).astype(np.float32).reshape(shape)
    return bank
