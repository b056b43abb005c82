"""Songs by bands of any instruments: the composer's pieces at any tempo, played by FluidSynth.

Layers that know nothing of each other are no music. Here they share chords, beats and rooms, as
they do in recordings.
"""

from pathlib import Path
from random import Random

from recipes.nano.compose import Piece, compose
from recipes.nano.compose.instruments import BASS, DRUMS, HARMONY, LEVELS, MELODY
from recipes.nano.compose.theory import STEPS
from recipes.nano.sounds.sampled import (
    DRUM_CHANNEL,
    KITS,
    LOWEST,
    PROGRAMS,
    STEM,
    STEM_SECONDS,
    Samples,
    Score,
    play_score,
)

BASS_PROGRAMS = range(32, 40)
CHANNELS = {MELODY: 0, HARMONY: 1, BASS: 2, DRUMS: DRUM_CHANNEL}
DOUBLING = 3  # the channel of who plays along with melody or chords
KEYS = {
    "kick": (35, 36), "snare": (38, 40), "clap": (39,), "rim": (37,), "hat": (42, 44),
    "open hat": (46, 49), "shaker": (70, 82, 69), "tom": (41, 45, 48),
}  # fmt: skip
TRANSPOSED = {MELODY: (-12, 0, 0, 0, 12), HARMONY: (-12, 0, 0, 0, 12), BASS: (-12, 0, 0)}


def play_bands(seeds: range, sound_font: Path) -> Samples:
    """The songs of some seeds, in rooms or dry: (songs, `STEM` samples) of a piece each."""
    import mido  # of the extra `nano`

    score: Score = []
    for number, seed in enumerate(seeds):
        begin = number * STEM_SECONDS
        for channel in (*CHANNELS.values(), DOUBLING):
            silence = mido.Message("control_change", channel=channel, control=120)
            score.append((begin, silence))
        song = _write_score(compose(seed), Random(f"band {seed}"))
        score += [(begin + time, message) for time, message in song]
    audio = play_score(score, len(seeds) * STEM_SECONDS, sound_font)
    return audio.reshape(len(seeds), STEM)


def _write_score(piece: Piece, random: Random) -> Score:
    import mido

    score: Score = []
    programs = {
        MELODY: random.randrange(PROGRAMS - 8),  # the last are noises
        HARMONY: random.randrange(PROGRAMS - 8),
        BASS: random.choice(BASS_PROGRAMS) if random.random() < 0.8 else random.randrange(PROGRAMS),
        DRUMS: random.choice(KITS),
    }
    doubled = random.choice((MELODY, HARMONY, None, None))
    room, chorus = random.choice((0, 20, 40, 70, 100)), random.choice((0, 0, 30))
    setups = [(CHANNELS[section], program) for section, program in programs.items()]
    for channel, program in (*setups, (DOUBLING, random.randrange(PROGRAMS - 8))):
        score.append((0.01, mido.Message("program_change", channel=channel, program=program)))
        level = random.randint(70, 127)
        for control, value in ((7, level), (91, room), (93, chorus)):
            score.append(
                (
                    0.01,
                    mido.Message("control_change", channel=channel, control=control, value=value),
                )
            )
    sixteenth, swing = 15 / random.uniform(62, 175), random.choice((0, 0, 0, 0.33))
    shifts = {section: random.choice(choices) for section, choices in TRANSPOSED.items()}
    key, loudness = random.randint(-5, 6), random.randint(60, 110)
    first = random.choice((0, 0, len(piece.intro)))
    bars = int((STEM_SECONDS - 0.3) / (STEPS * sixteenth)) + 1
    for number in range(bars):
        for event in piece.bar(first + number):
            step = number * STEPS + event.onset
            start = (step + swing * (step % 2)) * sixteenth + 0.05
            end = min(start + event.length * sixteenth * random.uniform(0.8, 1), STEM_SECONDS - 0.1)
            if start >= end:
                continue
            section = event.sound.section
            hits = [
                (random.choice(KEYS[drum]), LEVELS[mark]) for drum, mark in event.sound.hits
            ] or [(max(LOWEST, p + key + shifts[section]), 0.85) for p in event.sound.pitches]
            channels = [CHANNELS[section], *([DOUBLING] if section == doubled else [])]
            for channel in channels:
                for pitch, level in hits:
                    velocity = max(1, min(127, round(loudness * level + random.randint(-12, 12))))
                    on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
                    score.append((start + random.uniform(0, 0.008), on))
                    score.append((end, mido.Message("note_off", channel=channel, note=pitch)))
    return score
