"""Prompts as people type them: sentences, lists, single words, filler, slips of the fingers."""

from random import Random

from recipes.nano.compose.lexicon import Kind, lexicon, meanings_of

Parts = dict[Kind, list[str]]

OPENINGS = (
    "i need {}", "i want {}", "make me {}", "make {}", "please make {}", "can you make {}", "{}",
    "give me {}", "create {}", "generate {}", "compose {}", "looking for {}", "i would like {}",
    "play {}", "write {} please", "could i get {}", "{} please", "just {}", "we need {}",
)  # fmt: skip
NOUNS = ("song", "track", "music", "tune", "piece", "instrumental", "loop", "theme", "sound")
FOR = ("for", "for", "for my", "for a", "for the", "perfect for", "to use in", "suitable for")
WITH = ("with", "with", "featuring", "using", "that has", "and")
FEELINGS = ("{} feel", "{} vibe", "{} mood", "{} atmosphere", "feels {}", "{} and nice", "so {}")
SEPARATORS = (" ", " ", ", ", ", ", ",", " - ", " / ", "; ", " and ", ". ", " + ", "\n")
FILLERS = ("really", "like", "sort of", "some", "maybe", "with a nice sound", "you know", "a bit")
DECORATIONS = ("!", "!!", "...", ".", "?", " :)", " \U0001f3b5", " \u2764", " #1")
EVERYDAY = (
    "table", "invoice", "spoon", "monday", "blue chair", "potato", "my keys are on the desk",
    "seven", "red", "kitchen", "pencil", "the meeting is at noon", "bottle", "shoes", "mr smith",
    "paper", "green apple", "window frame", "october", "email", "left hand", "lunch", "bicycle",
    "a box of nails", "question", "number 42", "cheese", "umbrella", "the third floor", "ticket",
    "plastic bag", "doctor", "hat", "button", "carpet", "weather report", "soup", "screwdriver",
    "kevin", "anna", "banana", "phone number", "elephant", "bucket", "tomorrow", "sentence",
    "\u97f3\u697d", "\u043c\u0443\u0437\u044b\u043a\u0430", "\u0645\u0648\u0633\u064a\u0642\u0649",
    "\U0001f600",
)  # fmt: skip
UNTITLED = ("untitled", "track", "song", "take", "draft", "project", "new")
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHORTEST_MISTYPED = 5  # letters: slips in shorter words make others of them


def write_prompt(parts: Parts, details: list[str], random: Random) -> str:
    """A prompt of these phrases, cleanly typed.

    Args:
        parts: the phrases of each kind; some may be missing.
        details: further facts, such as `90 bpm`, in this or another order.
        random: decides on form and wording.
    """
    fate = random.random()
    if fate < 0.45:
        return _list(parts, details, random)
    phrase = _phrase(parts, details, random)
    if fate < 0.75:
        return phrase
    return random.choice(OPENINGS).format(f"a {phrase}")


def neutral_text(random: Random) -> str:
    """A text that says nothing about music."""
    fate = random.random()
    if fate < 0.5:
        text = random.choice(random.choice(list(meanings_of("neutral").values())))
    elif fate < 0.85:
        text = " ".join(random.sample(EVERYDAY, random.choice((1, 1, 2, 3))))
    else:
        text = f"{random.choice(UNTITLED)} {random.randrange(1, 20)}"
    return text


def decorate(text: str, random: Random) -> str:
    """The same text in another case, with filler, with punctuation, mistyped."""
    if random.random() < 0.12:
        pieces = text.split(", ")
        pieces.insert(random.randrange(len(pieces) + 1), random.choice(FILLERS))
        text = ", ".join(pieces)
    if random.random() < 0.12:
        text = mistype(text, random)
    fate = random.random()
    if fate < 0.05:
        text = text.upper()
    elif fate < 0.1:
        text = text.title()
    elif fate < 0.3:
        text = text[:1].upper() + text[1:]
    return text + random.choice(DECORATIONS) if random.random() < 0.15 else text


def mistype(text: str, random: Random, share: float = 0.3) -> str:
    """The text with slips in a share of its longer words, none of which makes another word."""
    typed = []
    for word in text.split(" "):
        slipped = word
        if len(word) >= SHORTEST_MISTYPED and word.isalpha() and random.random() < share:
            slipped = slip(word, random)
        typed.append(word if slipped.lower() in lexicon() else slipped)
    return " ".join(typed)


def slip(word: str, random: Random) -> str:
    """A word with one letter dropped, doubled, swapped with the next one, or that beside it."""
    place = random.randrange(1, len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    fate = random.randrange(4)
    if fate == 0:
        return before + after
    if fate == 1:
        return before + letter + letter + after
    if fate == 2:
        return before + after[0] + letter + after[1:]
    row = next((row for row in KEYBOARD if letter.lower() in row), letter.lower())
    position = row.index(letter.lower())
    return before + random.choice(row[max(0, position - 1) : position + 2]) + after


def _list(parts: Parts, details: list[str], random: Random) -> str:
    facts = [phrase for phrases in parts.values() for phrase in phrases] + details
    if random.random() < 0.6:
        random.shuffle(facts)
    return random.choice(SEPARATORS).join(facts)


def _phrase(parts: Parts, details: list[str], random: Random) -> str:
    moods, genres = parts.get("moods", []), parts.get("genres", [])
    instruments, scenes = parts.get("instruments", []), parts.get("scenes", [])
    before = moods if random.random() < 0.75 else []
    noun = random.choice(NOUNS) if not genres or random.random() < 0.5 else ""
    text = " ".join(part for part in (*before, *genres, noun) if part)
    clauses = []
    if instruments:
        clauses.append(f"{random.choice(WITH)} {_and(instruments, random)}")
    if scenes:
        clauses.append(f"{random.choice(FOR)} {_and(scenes, random)}")
    if moods and not before:
        clauses.append(random.choice(FEELINGS).format(_and(moods, random)))
    clauses += details
    random.shuffle(clauses)
    glue = random.choice((" ", " ", ", "))
    return glue.join([text, *clauses])


def _and(phrases: list[str], random: Random) -> str:
    if len(phrases) == 1:
        return phrases[0]
    last = random.choice((" and ", " and ", " & ", ", "))
    return ", ".join(phrases[:-1]) + last + phrases[-1]
