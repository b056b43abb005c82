"""Bounds of what is taken for sound, checked before a library computes with it.

Libraries trust these numbers: soxr writes beyond its memory where a result has more than 2^31
samples, and a wav of 140 kB at 1 Hz has 19 hours.
"""

from __future__ import annotations

from songloom.errors import AudioError

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Hz."""
MOST_CHANNELS = 32
LONGEST_SECONDS = 12 * 3600.0
"""Length of one recording; what is longer is cut into several by whoever has it."""
MOST_SAMPLES = 1 << 30
"""The most that is held in memory, over all channels: 4 GiB, or three hours of stereo at 48 kHz."""


def check_format(name: str, sample_rate: int, channels: int) -> None:
    """Raise `AudioError` for a sample rate (Hz) or a number of channels that no recording has.

    Args:
        name: what the error calls the sound.
        sample_rate: Hz.
        channels: how many.
    """
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise AudioError(
            f"{name} has a sample rate of {sample_rate} Hz: expected {LOWEST_RATE} to "
            f"{HIGHEST_RATE} Hz; export it again at 44100 Hz"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name} has {channels} channels: expected 1 to {MOST_CHANNELS}; export it again in "
            "stereo"
        )
