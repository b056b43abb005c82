"""Captions: what is true of a piece, said in many ways, as musicians do or as people type."""

from random import Random

from recipes.nano.compose import words
from recipes.nano.compose.lexicon import Kind, draw_phrases, find_phrases, fits
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.prompts import Parts, decorate, neutral_text, write_prompt
from recipes.nano.compose.theory import PITCH_CLASSES, beats_per_minute

FAST_UNTIL = 7  # frames of an eighth
PLAIN = 0.3  # share of names used as they are, whatever the synonyms
EIGHTHS = tuple(sorted(words.TEMPOS))
LEAST_BPM, MOST_BPM = 56, 206
EMPTY = 0.02  # share of captions without any words
NEUTRAL = 0.05  # that say nothing about music
PROMPTS = 0.43  # that are worded as people's prompts; the rest are musicians' lists of facts
SINGLE = 0.15  # of the prompts: those of a single phrase
COUNTS: dict[Kind, tuple[int, ...]] = {  # of phrases in a prompt, each as likely as the others
    "moods": (0, 0, 0, 1, 1, 1, 1, 2, 2, 3),
    "genres": (0, 0, 1, 1, 1, 1, 1, 1, 1, 2),
    "instruments": (0, 0, 0, 0, 1, 1, 1, 2, 2, 3),
    "scenes": (0, 0, 0, 0, 0, 0, 0, 1, 1, 2),
}


def caption(piece: Piece, random: Random, intro: bool = False, ending: bool = False) -> str:
    """A caption: a subset of what is true of the piece, in words and order drawn from `random`.

    Some are empty or say nothing, since people's prompts may be so; the music goes on then too.

    Args:
        piece: what is described.
        random: decides on the wording.
        intro: the introduction is heard.
        ending: the ending is heard, which is then always said.
    """
    fate = random.random()
    if fate < EMPTY and not ending:
        return ""
    if fate < EMPTY + NEUTRAL and not ending:
        return decorate(neutral_text(random), random)
    if fate < EMPTY + NEUTRAL + PROMPTS:
        return prompt(piece, random, intro, ending)
    return list_facts(piece, random, intro, ending)


def prompt(piece: Piece, random: Random, intro: bool = False, ending: bool = False) -> str:
    """A prompt, as people type them, to which the piece would be an answer.

    Phrases that mean something else together than apart, as `slow` and `jam`, are tried again.

    Args:
        piece: the answer.
        random: decides on phrases and wording.
        intro: the introduction is heard.
        ending: the ending is heard, which is then always said.
    """
    while True:
        counts = {kind: random.choice(numbers) for kind, numbers in COUNTS.items()}
        single = random.random() < SINGLE
        if single or not any(counts.values()):
            chosen = random.choice(list(COUNTS))
            counts = {kind: int(kind == chosen) for kind in COUNTS}
        parts: Parts = {
            kind: draw_phrases(kind, piece, count, random) for kind, count in counts.items()
        }
        details = [] if single else _details(piece, random, intro)
        if ending:
            details.append(random.choice(words.ENDING))
        text = write_prompt(parts, details, random)
        typed = decorate(text, random)  # which may tear a phrase, as `vocal trance`, apart
        said = find_phrases(text) + find_phrases(typed)
        if text.strip() and all(fits(phrase, piece) for phrase in said):
            return typed


def list_facts(piece: Piece, random: Random, intro: bool = False, ending: bool = False) -> str:
    """A list of facts, as musicians and catalogs have them.

    Args:
        piece: what is described.
        random: decides on the wording.
        intro: the introduction is heard.
        ending: the ending is heard, which is then always said.
    """
    facts = []
    if random.random() < 0.75:
        facts.append(_key(piece, random))
    if random.random() < 0.85:
        facts.append(_instruments(piece, random))
    elif piece.drums is None and random.random() < 0.5:
        facts.append(random.choice(words.NO_DRUMS))
    if random.random() < 0.45:
        facts.append(random.choice(words.TEMPOS[piece.frames_per_eighth]))
    if random.random() < 0.6:
        facts.append(_bpm(piece, random))
    if random.random() < 0.2:
        facts.append(random.choice(words.BUSY if piece.busy else words.CALM))
    if intro and random.random() < 0.7:
        facts.append(random.choice(words.INTRO))
    if ending:
        facts.append(random.choice(words.ENDING))
    random.shuffle(facts)
    if random.random() < 0.92 or not facts:
        facts.insert(0 if random.random() < 0.8 else len(facts), _style(piece, random))
    return _joined(facts, random)


def full_caption(piece: Piece, random: Random) -> str:
    """A caption that leaves nothing out: style, key, every player, and the tempo in numbers."""
    drums = piece.drums or random.choice(words.NO_DRUMS)
    players = [f"{_named(piece.melody, random)} melody"]
    if piece.harmony:
        players.append(f"{_named(piece.harmony, random)} chords")
    if piece.bass:
        players.append(_named(piece.bass, random))
    players.append(drums if piece.drums is None else _named(drums, random))
    key = random.choice(("in {}", "{}", "key of {}")).format(piece.key.name)
    facts = [", ".join(players), key, f"{round(piece.bpm)} bpm"]
    random.shuffle(facts)
    return ", ".join([_style(piece, random), *facts])


def _details(piece: Piece, random: Random, intro: bool) -> list[str]:
    """What a prompt says beside its phrases."""
    details = []
    if random.random() < 0.3:
        details.append(_bpm(piece, random))
    if random.random() < 0.12:
        details.append(_key(piece, random))
    if random.random() < 0.12:
        details.append(random.choice(words.TEMPOS[piece.frames_per_eighth]))
    if piece.drums is None and random.random() < 0.2:
        details.append(random.choice(words.NO_DRUMS))
    if intro and random.random() < 0.4:
        details.append(random.choice(words.INTRO))
    return details


def moods(piece: Piece) -> tuple[str, ...]:
    """The moods that follow from mode, tempo and texture."""
    fast = piece.frames_per_eighth <= FAST_UNTIL
    texture = words.SPARSE if piece.drums is None else words.FULL if piece.bass and fast else ()
    return words.MOODS[piece.key.bright, fast] + texture


def bpm_heard_as(eighth: int) -> range:
    """The whole numbers of beats a minute that are nearest to this tempo of the grid."""
    position = EIGHTHS.index(eighth)
    slower, faster = EIGHTHS[position + 1 :][:1], EIGHTHS[:position][-1:]

    def between(one: int, other: int) -> float:
        return (beats_per_minute(one) * beats_per_minute(other)) ** 0.5

    lowest = int(between(eighth, slower[0])) + 1 if slower else LEAST_BPM
    highest = int(between(eighth, faster[0])) if faster else MOST_BPM
    return range(lowest, highest + 1)


def _joined(facts: list[str], random: Random) -> str:
    """A list with commas, or now and then a sentence."""
    text = ", ".join(facts)
    if random.random() < 0.15:
        return text[0].upper() + text[1:] + "."
    if random.random() < 0.1:
        return ". ".join(facts)
    return text


def _style(piece: Piece, random: Random) -> str:
    style = piece.style if random.random() < PLAIN else random.choice(words.STYLES[piece.style])
    chosen = random.sample(moods(piece), random.choice((0, 0, 1, 1, 2)))
    phrase = " ".join([*chosen, style])
    if random.random() < 0.25:
        phrase += f" {random.choice(words.TRACK)}"
    if random.random() < 0.1:
        article = "an" if phrase[0] in "aeiou" else "a"
        phrase = f"{article} {phrase}"
    return phrase


def _key(piece: Piece, random: Random) -> str:
    key = piece.key
    tonic = PITCH_CLASSES[key.tonic]
    if random.random() < 0.3:
        tonic = words.ENHARMONIC.get(tonic, tonic)
    name = f"{tonic} {key.mode}"
    if random.random() < 0.08:
        return f"{'major' if key.bright else 'minor'} key"
    if key.mode == "minor" and random.random() < 0.08:
        name = f"{tonic}m"
    return random.choice(("in {}", "{}", "key of {}", "in the key of {}", "key: {}")).format(name)


def _bpm(piece: Piece, random: Random) -> str:
    exact = round(piece.bpm)
    bpm = exact if random.random() < 0.6 else random.choice(bpm_heard_as(piece.frames_per_eighth))
    return random.choice(
        (
            "{} bpm",
            "{} bpm",
            "at {} bpm",
            "{} beats per minute",
            "tempo {}",
            "bpm: {}",
            "{}bpm",
            "bpm {}",
            "tempo: {}",
        )
    ).format(bpm)


def _named(name: str, random: Random) -> str:
    return name if random.random() < PLAIN else random.choice(words.INSTRUMENTS[name])


def _instruments(piece: Piece, random: Random) -> str:
    melody = _named(piece.melody, random)
    if piece.style == "solo":
        return random.choice(("{} alone", "a lone {}", "{}", "{} solo", "just {}")).format(melody)
    players = [
        random.choice(("{} melody", "{} lead", "melodic {}", "{}", "{} playing the melody")).format(
            melody
        )
    ]
    if piece.harmony and piece.harmony != piece.melody and random.random() < 0.85:
        harmony = _named(piece.harmony, random)
        players.append(
            random.choice(("{} chords", "{} accompaniment", "{}", "{} in the background")).format(
                harmony
            )
        )
    players += [
        _named(name, random)
        for name in (piece.bass, piece.drums)
        if name and random.random() < 0.85
    ]
    if piece.drums is None and random.random() < 0.4:
        players.append(random.choice(words.NO_DRUMS))
    if piece.bass is None and random.random() < 0.1:
        players.append(random.choice(words.NO_BASS))
    if random.random() < 0.35:
        random.shuffle(players)
    lead = random.choice(("with ", "", "", "featuring "))
    if len(players) > 1 and random.random() < 0.5:
        return lead + ", ".join(players[:-1]) + " and " + players[-1]
    return lead + ", ".join(players)
