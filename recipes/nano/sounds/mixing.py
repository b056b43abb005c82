"""Mixes: stems layered, detuned, filtered, put into rooms, driven and compressed at random."""

from random import Random

import numpy as np
import soxr

from recipes.nano.compose.theory import SAMPLE_RATE
from recipes.nano.sounds.sampled import STEM, Samples

TAIL = SAMPLE_RATE // 2  # samples of silence after a mix, into which rooms may ring
EQ_POINTS = 9  # of a random equalizer, evenly spaced in octaves
LAYERS = (1, 1, 2, 3, 3, 4, 5, 6)
BANDS = 0.65  # share of mixes in which a band plays


def draw_mix(stems: np.ndarray, bands: np.ndarray | None, samples: int, random: Random) -> Samples:
    """A mono mix of a band's song, of some stems or of both, (samples,), within -1..1.

    Args:
        stems: (stems, samples) of 16 bits, each at full level.
        bands: songs of the same form, of which one plays; None for stems alone.
        samples: of the mix.
        random: decides on everything.
    """
    rng = np.random.default_rng(random.randrange(1 << 40))
    mix, layers = np.zeros(samples, np.float32), random.choice(LAYERS)
    if bands is not None:
        mix += _crop(bands[random.randrange(len(bands))], samples, random)
        layers = random.choice((0, 0, 0, 1, 2))
    for _ in range(layers):
        layer = _crop(stems[random.randrange(len(stems))], samples, random)
        if random.random() < 0.15:
            layer = _saturate(layer, random)
        if random.random() < 0.5:
            layer = _treat(layer, random, rng, room=0.6)
        mix += layer * np.float32(10 ** random.uniform(-1.0, 0))
    if random.random() < 0.1:  # two channels folded into one
        delay = random.randrange(8, 900)
        mix[delay:] += random.uniform(-0.6, 0.6) * mix[:-delay]
    if random.random() < 0.6:
        mix = _treat(mix, random, rng, room=0.15)
    if random.random() < 0.2:
        mix = _saturate(mix, random)
    if random.random() < 0.35:
        mix = _compress(mix, random)
    if random.random() < 0.25:
        mix = _cut_above(mix, 10 ** random.uniform(3.4, 4.19))
    peak = float(np.abs(mix).max()) + 1e-5
    mix *= 10 ** -random.triangular(0, 1.6, 0.15) / peak
    if random.random() < 0.4:
        noise = rng.standard_normal(samples).astype(np.float32)
        mix += 10 ** random.uniform(-4.5, -2.3) * _tilt(noise, random)
    return np.clip(mix, -1, 1, out=mix)


def _crop(stem: np.ndarray, samples: int, random: Random) -> Samples:
    ratio = 2 ** random.uniform(-0.35, 0.35) if random.random() < 0.6 else 1.0
    needed = int(samples * ratio) + 64
    start = random.randrange(max(1, STEM - needed))
    part = stem[start : start + needed].astype(np.float32) / 32767
    if ratio != 1.0:
        part = soxr.resample(part, SAMPLE_RATE * ratio, SAMPLE_RATE, quality="LQ")
    return np.pad(part, (0, max(0, samples - len(part))))[:samples]


def _treat(audio: Samples, random: Random, rng: np.random.Generator, room: float) -> Samples:
    """Equalize at random and, in a share `room` of cases, add a room."""
    length = len(audio) + TAIL
    spectrum = np.fft.rfft(audio, length)
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    if random.random() < 0.7:
        depth = random.uniform(2, 12)  # dB
        points = np.array([random.gauss(0, depth) for _ in range(EQ_POINTS)])
        octaves = np.log2(np.maximum(hertz, 20) / 20)
        curve = np.interp(octaves, np.linspace(0, np.log2(800), EQ_POINTS), points)
        spectrum *= 10 ** (np.clip(curve, -30, 18) / 20)
    if random.random() < room:
        seconds = 10 ** random.uniform(-0.8, 0.5)
        t = np.arange(min(int(1.5 * seconds * SAMPLE_RATE), TAIL * 3)) / SAMPLE_RATE
        ring = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds)
        ring *= random.uniform(0.05, 0.8) / np.sqrt(np.square(ring).sum())
        delay = random.randrange(1, 1500)
        impulse = np.zeros(delay + len(ring))
        impulse[0] = 1
        impulse[delay:] += ring
        tone = 1 / np.sqrt(1 + (hertz / 10 ** random.uniform(3.2, 4.2)) ** 2)
        wet = np.fft.rfft(impulse[:length], length)
        spectrum *= 1 + (wet - 1) * tone
    return np.fft.irfft(spectrum, length)[: len(audio)].astype(np.float32)


def _saturate(audio: Samples, random: Random) -> Samples:
    level = float(np.sqrt(np.square(audio).mean())) + 1e-4
    drive = 10 ** random.uniform(-0.7, 0.8) / level
    return np.tanh(drive * audio + random.choice((0, 0, 0.2))).astype(np.float32) / np.float32(
        drive
    )


def _compress(audio: Samples, random: Random) -> Samples:
    """Divide by a power of the level in some hundredths of a second."""
    hop = int(random.uniform(0.01, 0.1) * SAMPLE_RATE)
    power = np.square(np.pad(audio, (0, -len(audio) % hop))).reshape(-1, hop).mean(1)
    level = np.sqrt(power) + 1e-3
    at = np.arange(len(audio)) / hop - 0.5
    smooth = np.interp(at, np.arange(len(level)), level)
    return (audio * smooth ** -random.uniform(0.2, 0.7)).astype(np.float32)


def _cut_above(audio: Samples, hertz: float) -> Samples:
    """A steep low-pass, as of lossy files and old recordings."""
    spectrum = np.fft.rfft(audio)
    ratio = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE) / hertz
    return np.fft.irfft(spectrum / (1 + ratio**24), len(audio)).astype(np.float32)


def _tilt(noise: Samples, random: Random) -> Samples:
    spectrum = np.fft.rfft(noise)
    hertz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE) + 20
    return np.fft.irfft(spectrum * (hertz / 1000) ** -random.uniform(0, 1), len(noise)).astype(
        np.float32
    )
