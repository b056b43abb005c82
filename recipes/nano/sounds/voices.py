"""Synthesized stems: subtractive, frequency-modulated, plucked, sung, noise and drum voices."""

from collections.abc import Callable
from random import Random

import numpy as np
from scipy.signal import lfilter

from recipes.nano.compose.theory import SAMPLE_RATE
from recipes.nano.sounds.sampled import (
    CHORDS,
    SCALES,
    STEM,
    STEM_SECONDS,
    Samples,
)

BLOCK = 512  # samples of a filter's block; blocks overlap by half
VOWELS = (  # Hz of the first three formants
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410),
)  # fmt: skip
Voice = Callable[[float, int, float, Random], Samples]
"""Frequency in Hz, samples, loudness 0..1 and chance to a note."""


def synthesize_stem(seed: int) -> Samples:
    """The synthesized stem of a seed: a phrase by one voice, or a beat, (samples,)."""
    random = Random(f"voice {seed}")
    if random.random() < 0.2:
        return _beat(random)
    make = random.choice((_subtractive, _subtractive, _modulated, _plucked, _sung, _noise, _bells))
    voice, audio = make(random), np.zeros(STEM, np.float32)
    scale, tonic = random.choice(SCALES), random.uniform(0, 12)  # out of tune on purpose
    center = random.triangular(30, 90, 55)
    shape = random.choice(CHORDS)
    pace, legato = 10 ** random.uniform(-1.0, 0.5), random.uniform(0.4, 1.6)
    glide = random.random() < 0.1
    step, now = random.randrange(7), random.uniform(0, 0.3)
    while now < STEM_SECONDS - 0.1:
        step += random.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))
        octave, degree = divmod(step, len(scale))
        pitch = tonic + scale[degree] + 12 * octave
        pitch += 12 * round((center - pitch) / 12) + (random.uniform(-3, 3) if glide else 0)
        start, loudness = int(now * SAMPLE_RATE), random.uniform(0.4, 1.0)
        samples = min(int((pace * legato + 0.03) * SAMPLE_RATE), STEM - start)
        if random.random() > 0.12 and samples > 64:
            for interval in shape:
                note = voice(440 * 2 ** ((pitch + interval - 69) / 12), samples, loudness, random)
                audio[start : start + samples] += note[:samples]
        now += pace * random.choice((0.5, 1, 1, 1, 2))
    return audio


def _seconds(samples: int) -> Samples:
    return np.arange(samples, dtype=np.float32) / SAMPLE_RATE


def _envelope(samples: int, attack: float, decay: float, sustain: float) -> Samples:
    """Attack to 1, exponential decay to `sustain`, and a fade of 20 ms at the end."""
    t = _seconds(samples)
    level = sustain + (1 - sustain) * np.exp(-np.maximum(t - attack, 0) / decay)
    level *= np.minimum(t / max(attack, 1e-4), 1)
    fade = min(samples, SAMPLE_RATE // 50)
    level[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return level.astype(np.float32)


def _filter_blocks(audio: Samples, gain: Callable[[Samples, Samples], Samples]) -> Samples:
    """Filter by a gain that changes over time: `gain(times (T, 1), Hz (F,))` -> (T, F)."""
    hop = BLOCK // 2
    count = len(audio) // hop + 2
    padded = np.pad(audio, (hop, count * hop + BLOCK - len(audio)))
    window = np.sqrt(np.hanning(BLOCK + 1)[:-1]).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, BLOCK)[::hop][:count] * window
    hertz = np.fft.rfftfreq(BLOCK, 1 / SAMPLE_RATE).astype(np.float32)
    times = (np.arange(count, dtype=np.float32) * hop / SAMPLE_RATE)[:, None]
    shaped = np.fft.irfft(np.fft.rfft(frames) * gain(times, hertz), BLOCK) * window
    out = np.zeros(len(padded) + BLOCK, np.float32)
    for start in (0, 1):  # even and odd blocks, which do not overlap among themselves
        rows = shaped[start::2].reshape(-1)
        out[start * hop : start * hop + len(rows)] += rows
    return out[hop : hop + len(audio)]


def _oscillate(hertz: Samples, shape: str, width: float) -> Samples:
    """A band-limited wave (polynomial steps) of a frequency that may change."""
    step = hertz / SAMPLE_RATE
    phase = np.cumsum(step, dtype=np.float64)
    sawtooth = _sawtooth(phase % 1, step)
    if shape == "saw":
        return sawtooth
    if shape == "triangle":
        return (2 * np.abs(2 * (phase % 1) - 1) - 1).astype(np.float32)
    return sawtooth - _sawtooth((phase + width) % 1, step)


def _sawtooth(phase: Samples, step: Samples) -> Samples:
    wave = 2 * phase - 1
    after, before = phase < step, phase > 1 - step
    x = phase / step
    wave -= np.where(after, 2 * x - x * x - 1, 0)
    x = (phase - 1) / step
    wave -= np.where(before, x * x + 2 * x + 1, 0)
    return wave.astype(np.float32)


def _subtractive(random: Random) -> Voice:
    shape = random.choice(("saw", "saw", "square", "triangle"))
    width = random.uniform(0.1, 0.5)
    unison = [1 + random.uniform(-0.012, 0.012) for _ in range(random.choice((1, 1, 2, 3)))]
    cutoff, sweep = 10 ** random.uniform(2.3, 4.1), random.uniform(0, 3)
    order, resonance = random.choice((2, 4)), random.choice((0, 0, 1, 3))
    attack, decay = 10 ** random.uniform(-3, -0.7), 10 ** random.uniform(-1.3, 0.7)
    sustain, vibrato = random.uniform(0, 1), random.choice((0, 0, 0.004, 0.012))
    rate = random.uniform(3, 7)

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        t = _seconds(samples)
        swing = 1 + vibrato * np.sin(2 * np.pi * rate * t + chance.uniform(0, 6))
        wave = sum(_oscillate(hertz * detune * swing, shape, width) for detune in unison)

        def gain(times: Samples, bins: Samples) -> Samples:
            edge = cutoff * 2 ** (sweep * np.exp(-times / decay))
            ratio = bins / edge
            peak = resonance * np.exp(-8 * (np.log2(ratio + 1e-3)) ** 2)
            return (1 + peak) / np.sqrt(1 + ratio ** (2 * order))

        return (
            loudness * 0.2 * _envelope(samples, attack, decay, sustain) * _filter_blocks(wave, gain)
        )

    return play


def _modulated(random: Random) -> Voice:
    ratios = [random.choice((0.5, 1, 1, 2, 3, 4, 1.414, 3.5, 7)) for _ in range(2)]
    depth, decay = random.uniform(0.3, 8), 10 ** random.uniform(-1.3, 0.5)
    attack, sustain = 10 ** random.uniform(-3, -1), random.uniform(0, 1)

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        phase = 2 * np.pi * hertz * _seconds(samples)
        index = depth * loudness * _envelope(samples, 1e-3, decay, sustain * 0.6)
        inner = np.sin(ratios[1] * phase + chance.uniform(0, 6))
        wave = np.sin(phase + index * np.sin(ratios[0] * phase + 0.4 * index * inner))
        return loudness * 0.3 * _envelope(samples, attack, 3 * decay, sustain) * wave

    return play


def _plucked(random: Random) -> Voice:
    """Karplus and Strong's string (1983)."""
    loss, bright = random.uniform(0.96, 0.999), random.uniform(0.1, 0.5)

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        period = max(4, round(SAMPLE_RATE / hertz))
        noise = np.random.default_rng(chance.randrange(1 << 30)).standard_normal(period)
        source = np.zeros(samples)
        source[: min(period, samples)] = noise[:samples]
        feedback = np.zeros(period + 2)
        feedback[0] = 1
        feedback[period], feedback[period + 1] = -loss * (1 - bright), -loss * bright
        note = lfilter([1.0], feedback, source).astype(np.float32)
        return loudness * 0.3 * note * _envelope(samples, 1e-3, 4.0, 0.5)

    return play


def _sung(random: Random) -> Voice:
    one, other = random.sample(VOWELS, 2)
    scale, breath = random.uniform(0.85, 1.25), random.choice((0.0, 0.05, 0.3))
    pace, width = random.uniform(0.3, 3), random.uniform(60, 160)
    rate, vibrato = random.uniform(4, 6.5), random.uniform(0, 0.015)

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        t = _seconds(samples)
        wave = _oscillate(hertz * (1 + vibrato * np.sin(2 * np.pi * rate * t)), "saw", 0.5)
        rng = np.random.default_rng(chance.randrange(1 << 30))
        wave = wave + breath * rng.standard_normal(samples).astype(np.float32)
        turn = chance.uniform(0, 6)

        def gain(times: Samples, bins: Samples) -> Samples:
            mix = 0.5 + 0.5 * np.sin(2 * np.pi * pace * times + turn)
            total = 0.02 / (1 + bins / 1000)
            for low, high, level in zip(one, other, (1.0, 0.6, 0.35), strict=True):
                center = scale * (low * (1 - mix) + high * mix)
                total = total + level / (1 + ((bins - center) / width) ** 2)
            return total

        return loudness * 0.6 * _envelope(samples, 0.04, 1.0, 0.8) * _filter_blocks(wave, gain)

    return play


def _noise(random: Random) -> Voice:
    width, decay = random.uniform(0.1, 3), 10 ** random.uniform(-2, 0.7)
    follows = random.random() < 0.5
    attack, sustain = 10 ** random.uniform(-3, 0), random.choice((0.0, 0.0, 1.0))
    fixed = 10 ** random.uniform(2.3, 4.1)

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        rng = np.random.default_rng(chance.randrange(1 << 30))
        wave = rng.standard_normal(samples).astype(np.float32)
        center = 4 * hertz if follows else fixed
        sweep = chance.uniform(-1, 1)

        def gain(times: Samples, bins: Samples) -> Samples:
            octaves = np.log2((bins + 1) / (center * 2 ** (sweep * times)))
            return np.exp(-((octaves / width) ** 2))

        return (
            loudness * 0.2 * _envelope(samples, attack, decay, sustain) * _filter_blocks(wave, gain)
        )

    return play


def _bells(random: Random) -> Voice:
    """Partials that are no harmonics, each with its decay; few of them make an organ or a sine."""
    harmonic = random.random() < 0.4
    count = random.randint(1, 10)
    partials = [
        (n + 1 if harmonic else random.uniform(0.5, 9), random.uniform(0.1, 1) / (n + 1) ** 0.7,
         10 ** random.uniform(-1.2, 0.8))
        for n in range(count)
    ]  # fmt: skip
    held = random.random() < 0.3

    def play(hertz: float, samples: int, loudness: float, chance: Random) -> Samples:
        t, wave = _seconds(samples), np.zeros(samples, np.float32)
        for ratio, level, decay in partials:
            if hertz * ratio < 0.48 * SAMPLE_RATE:
                fall = 1.0 if held else np.exp(-t / decay)
                wave += level * fall * np.sin(2 * np.pi * hertz * ratio * t + chance.uniform(0, 6))
        return loudness * 0.25 * wave * _envelope(samples, 2e-3, 3.0, 1.0)

    return play


def _beat(random: Random) -> Samples:
    """A pattern of synthesized drums."""
    rng = np.random.default_rng(random.randrange(1 << 30))
    audio = np.zeros(STEM + SAMPLE_RATE, np.float32)
    sixteenth = 15 / random.uniform(60, 180)
    steps = random.choice((8, 12, 16))
    for draw in (_kick, _snare, _hat, _hat, _tom):
        if random.random() < 0.25:
            continue
        hit, chance = draw(random, rng), random.choice((0.08, 0.15, 0.3, 0.6))
        lane = [random.random() < chance for _ in range(steps)]
        for number in range(int(STEM_SECONDS / sixteenth)):
            if lane[number % steps]:
                start = int(number * sixteenth * SAMPLE_RATE)
                audio[start : start + len(hit)] += random.uniform(0.5, 1) * hit
    return audio[:STEM]


def _kick(random: Random, rng: np.random.Generator) -> Samples:
    t = _seconds(int(random.uniform(0.1, 0.6) * SAMPLE_RATE))
    low, high, fall = random.uniform(38, 65), random.uniform(80, 400), random.uniform(0.01, 0.06)
    phase = 2 * np.pi * np.cumsum(low + high * np.exp(-t / fall)) / SAMPLE_RATE
    click = random.uniform(0, 0.5) * rng.standard_normal(len(t)) * np.exp(-t / 0.003)
    return (0.8 * np.sin(phase) * np.exp(-t / (len(t) / SAMPLE_RATE / 3)) + click).astype(
        np.float32
    )


def _snare(random: Random, rng: np.random.Generator) -> Samples:
    t = _seconds(int(random.uniform(0.1, 0.4) * SAMPLE_RATE))
    tone = np.sin(2 * np.pi * random.uniform(150, 280) * t) * np.exp(-t / 0.05)
    noise = rng.standard_normal(len(t)) * np.exp(-t / random.uniform(0.03, 0.12))
    noise = lfilter([1, -random.uniform(0, 0.95)], [1], noise)
    return (0.4 * tone + random.uniform(0.15, 0.4) * noise).astype(np.float32)


def _hat(random: Random, rng: np.random.Generator) -> Samples:
    t = _seconds(int(random.uniform(0.03, 0.5) * SAMPLE_RATE))
    noise = rng.standard_normal(len(t))
    if random.random() < 0.5:  # metal: squares that do not fit together
        base = random.uniform(300, 700)
        noise = sum(
            np.sign(np.sin(2 * np.pi * base * r * t)) for r in (1, 1.34, 1.68, 2.27, 2.9, 3.5)
        )
    noise = lfilter([1, -0.97], [1, random.uniform(-0.3, 0.3)], lfilter([1, -0.97], [1], noise))
    decay = len(t) / SAMPLE_RATE / random.uniform(2, 5)
    return (random.uniform(0.1, 0.3) * noise * np.exp(-t / decay)).astype(np.float32)


def _tom(random: Random, rng: np.random.Generator) -> Samples:
    t = _seconds(int(random.uniform(0.15, 0.5) * SAMPLE_RATE))
    hertz = random.uniform(70, 900)
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.5 * np.exp(-t / 0.03))) / SAMPLE_RATE
    skin = 0.1 * rng.standard_normal(len(t)) * np.exp(-t / 0.02)
    return (0.5 * np.sin(phase) * np.exp(-t / 0.12) + skin).astype(np.float32)
