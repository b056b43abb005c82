"""Codes: what a token means. A code of a section's codebook is one frame of one of its sounds.

Code 0 is silence. So a score can be written down as tokens without any audio, and a repeated bar
gives repeated tokens.
"""

from functools import cache

from recipes.nano.compose.instruments import (
    BAND,
    BASS,
    DRUMS,
    HARMONY,
    SECTIONS,
    Sound,
    chord_shapes,
)
from recipes.nano.compose.parts import drum_beat, drum_fill
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import FRAME_RATE

CODEBOOK_SIZE = 2048
SILENCE = 0
CHORD_REPEAT = 6  # frames: its tones must repeat together
REPEATS = {BASS: range(5, 13)}  # frames, of what has one tone
OTHER_REPEATS = range(4, 7)


@cache
def repeat(sound: Sound) -> int:
    """How many frames at the end of a sound repeat while it is held; 0 for drums.

    Of a single tone they are those that hold nearly a whole number of its periods.
    """
    if sound.section == DRUMS:
        return 0
    if sound.section == HARMONY:
        return CHORD_REPEAT
    hertz = 440 * 2 ** ((sound.pitches[0] - 69) / 12)

    def off(frames: int) -> float:
        periods = hertz * frames / FRAME_RATE
        return abs(periods - round(periods)) / periods

    return min(REPEATS.get(sound.section, OTHER_REPEATS), key=off)


@cache
def sounds(section: int) -> tuple[Sound, ...]:
    """Every sound of a section, in the order of their codes."""
    players = [player for player in BAND if player.section == section]
    if section == DRUMS:
        beats = {
            event.sound.hits: None
            for style in STYLES
            for beat in style.beats
            for event in (*drum_beat("", beat), *drum_fill("", ()))
        }
        return tuple(Sound(DRUMS, kit.name, (), hits) for kit in players for hits in beats)
    single = [Sound(section, player.name, (p,)) for player in players for p in player.pitches]
    if section != HARMONY:
        return tuple(single)
    chords = [Sound(section, player.name, shape) for player in players for shape in chord_shapes()]
    return (*single, *chords)


@cache
def first_codes(section: int) -> dict[Sound, int]:
    """The code of the first frame of each sound; the others follow it."""
    codes, code = {}, SILENCE + 1
    for sound in sounds(section):
        codes[sound] = code
        code += sound.player.frames
    if code > CODEBOOK_SIZE:
        raise ValueError(f"the {SECTIONS[section]} have {code} codes, more than {CODEBOOK_SIZE}")
    return codes


@cache
def frame_at(sound: Sound, age: int) -> int | None:
    """Which of a sound's frames is heard at an age in frames; None where it has died away."""
    frames, again = sound.player.frames, repeat(sound)
    if age < frames:
        return age
    if again == 0:
        return None
    return frames - again + (age - frames) % again


@cache
def sound_codes(sound: Sound, frames: int) -> tuple[int, ...]:
    """The codes of a sound that is held for some frames."""
    first = first_codes(sound.section)[sound]
    heard = (frame_at(sound, age) for age in range(frames))
    return tuple(SILENCE if frame is None else first + frame for frame in heard)


@cache
def sounds_of_codes(section: int) -> dict[int, Sound]:
    """The sound that each code of a section is a frame of; silence is none."""
    return {
        first + frame: sound
        for sound, first in first_codes(section).items()
        for frame in range(sound.player.frames)
    }
