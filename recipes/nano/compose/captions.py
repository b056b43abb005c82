"""Captions: what is true of a piece, said in many ways."""

from random import Random

from recipes.nano.compose.piece import Piece

INSTRUMENT_WORDS = {
    "piano": ("piano", "grand piano", "acoustic piano"),
    "electric piano": ("electric piano", "rhodes", "e-piano"),
    "vibraphone": ("vibraphone", "vibes"),
    "marimba": ("marimba", "wooden mallets"),
    "acoustic guitar": ("acoustic guitar", "steel string guitar"),
    "electric guitar": ("electric guitar", "clean electric guitar"),
    "strings": ("strings", "string section", "violins"),
    "saxophone": ("saxophone", "sax", "alto sax"),
    "flute": ("flute",),
    "trumpet": ("trumpet",),
    "synth lead": ("synth lead", "lead synth", "sawtooth lead"),
    "synth pad": ("synth pad", "warm pad", "pads"),
    "acoustic bass": ("acoustic bass", "upright bass", "double bass"),
    "electric bass": ("electric bass", "bass guitar"),
    "synth bass": ("synth bass", "bass synth"),
    "acoustic drums": ("acoustic drums", "drum kit", "live drums"),
    "electronic drums": ("electronic drums", "drum machine", "808 drums"),
}
STYLE_WORDS = {
    "rock": ("rock", "rock band", "guitar rock"),
    "techno": ("techno", "electronic dance music", "club track"),
    "synth-pop": ("synth-pop", "80s pop", "disco pop"),
    "lo-fi": ("lo-fi", "lofi hip hop", "chillhop"),
    "funk": ("funk", "funky groove"),
    "bossa nova": ("bossa nova", "bossa", "latin jazz"),
    "ballad": ("ballad", "romantic ballad"),
    "folk": ("folk", "folk song", "country folk"),
    "classical": ("classical", "chamber music"),
    "ambient": ("ambient", "ambient soundscape"),
    "solo": ("solo", "unaccompanied"),
}
TEMPO_WORDS = {  # from this many frames per sixteenth
    5: ("very fast", "fast", "energetic tempo"),
    6: ("fast", "upbeat", "lively tempo"),
    7: ("medium tempo", "moderate tempo", "mid-tempo"),
    8: ("medium tempo", "moderate tempo", "relaxed tempo"),
    9: ("slow", "slow tempo", "unhurried"),
    10: ("very slow", "slow", "slow tempo"),
}
BRIGHT_MODES = ("major", "mixolydian")
MOOD_WORDS = {  # (bright mode, fast)
    (True, True): ("happy", "cheerful", "joyful"),
    (True, False): ("warm", "gentle", "peaceful"),
    (False, True): ("dark", "driving", "intense"),
    (False, False): ("sad", "melancholic", "moody"),
}
FAST_UNTIL = 7  # frames per sixteenth
NO_DRUMS_WORDS = ("no drums", "without drums", "drumless")
PLAIN = 0.3  # share of instruments called by their own name whatever the synonyms


def caption(piece: Piece, random: Random) -> str:
    """A caption: a subset of what is true of the piece, in words and order drawn from `random`."""
    phrases = [_style_and_mood(piece, random)] if random.random() < 0.95 else []
    rest = []
    if random.random() < 0.85:
        rest.append(_key(piece, random))
    if random.random() < 0.9:
        rest.append(_instruments(piece, random))
        if piece.drums is None and piece.bass is not None and random.random() < 0.5:
            rest.append(random.choice(NO_DRUMS_WORDS))
    if random.random() < 0.6:
        rest.append(random.choice(TEMPO_WORDS[piece.frames_per_sixteenth]))
    if random.random() < 0.6 or not (phrases or rest):
        rest.append(_bpm(piece, random))
    random.shuffle(rest)
    return ", ".join(phrases + rest if random.random() < 0.8 else rest + phrases)


def mood_words(piece: Piece) -> tuple[str, ...]:
    """The moods that mode and tempo allow."""
    bright = piece.key.mode in BRIGHT_MODES
    return MOOD_WORDS[bright, piece.frames_per_sixteenth <= FAST_UNTIL]


def _style_and_mood(piece: Piece, random: Random) -> str:
    style = random.choice(STYLE_WORDS[piece.style])
    if random.random() < 0.35:
        return f"{random.choice(mood_words(piece))} {style}"
    return style


def _key(piece: Piece, random: Random) -> str:
    return random.choice(("in {}", "{}", "key of {}", "in the key of {}")).format(piece.key.name)


def _bpm(piece: Piece, random: Random) -> str:
    return random.choice(("{} bpm", "{} bpm", "at {} bpm", "{} beats per minute")).format(
        round(piece.bpm)
    )


def _named(instrument: str, random: Random) -> str:
    if random.random() < PLAIN:
        return instrument
    return random.choice(INSTRUMENT_WORDS[instrument])


def _instruments(piece: Piece, random: Random) -> str:
    melody = _named(piece.melody, random)
    if piece.harmony is None:
        return random.choice(("{} alone", "a lone {}", "{}")).format(melody)
    players = [random.choice(("{} melody", "{} lead line", "melodic {}", "{}")).format(melody)]
    if piece.harmony != piece.melody and random.random() < 0.9:
        harmony = _named(piece.harmony, random)
        players.append(random.choice(("{} chords", "{} accompaniment", "{}")).format(harmony))
    players += [_named(p, random) for p in (piece.bass, piece.drums) if p and random.random() < 0.9]
    if random.random() < 0.3:
        random.shuffle(players)
    if len(players) > 1 and random.random() < 0.5:
        return ", ".join(players[:-1]) + " and " + players[-1]
    return random.choice(("with ", "", "featuring ")) + ", ".join(players)
