"""The sounds of each section, numbered, and which of their frames is heard when."""

from functools import cache

from recipes.nano.compose.instruments import (
    BAND,
    BASS,
    DRUMS,
    HARMONY,
    Sound,
    chord_shapes,
)
from recipes.nano.compose.parts import drum_beat, drum_fill
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import FRAME_RATE

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
    """Every sound of a section, in a fixed order."""
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
def sound_numbers(section: int) -> dict[Sound, int]:
    """The number of each sound of a section, from 1; 0 is none."""
    return {sound: number for number, sound in enumerate(sounds(section), start=1)}


def sound_number(sound: Sound) -> int:
    """The number of a sound among those of its section."""
    return sound_numbers(sound.section)[sound]


@cache
def frame_at(sound: Sound, age: int) -> int | None:
    """Which of a sound's frames is heard at an age in frames; None where it has died away."""
    frames, again = sound.player.frames, repeat(sound)
    if age < frames:
        return age
    if again == 0:
        return None
    return frames - again + (age - frames) % again
