"""Chords and noise for tests of the codec: enough to fit a small one."""

import numpy as np

SECONDS = 2


def draw_mixes(count: int, seed: int = 0) -> np.ndarray:
    """(count, samples) of 16 bits: three tones each, and noise that comes and goes."""
    random = np.random.default_rng(seed)
    time = np.arange(SECONDS * 32_000) / 32_000
    rows = []
    for _ in range(count):
        tones = sum(
            np.sin(2 * np.pi * 110 * 2 ** (random.integers(36) / 12) * time) for _ in range(3)
        )
        beat = np.abs(np.sin(2 * np.pi * random.uniform(0.5, 2) * time))
        noise = random.standard_normal(len(time)) * beat * random.uniform(0.01, 0.3)
        rows.append(random.uniform(0.05, 0.25) * (tones + noise))
    return np.round(np.stack(rows).clip(-1, 1) * 32767).astype(np.int16)
