"""Measure what the text encoder makes of words that it never read.

`python -m recipes.nano.comprehension --work FOLDER` reads the tokenizer, the encoder and its reader
from a work folder, and tells of how many held-out prompts the likeliest style is an acceptable one,
and of how many mistyped phrases it is that of the right spelling.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from transformers import T5EncoderModel

from recipes.nano.compose.lexicon import Meaning, lexicon, read_meaning
from recipes.nano.compose.prompts import mistype
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import beats_per_minute
from recipes.nano.compose.words import TEMPOS as EIGHTHS
from recipes.nano.facts import ANSWERS, PLAYERS
from recipes.nano.model import ModelSettings, text_config
from recipes.nano.reading import Reader, encode, read_encoder, read_reader

HELD_OUT = Path(__file__).with_name("held_out_prompts.txt")
MISTYPED = 400
TEMPO, FIRST_PLAYER = 3, 4  # among the facts


@dataclass(frozen=True)
class Answer:
    """What a reader takes to be likeliest."""

    style: str
    bpm: float
    players: frozenset[str]

    def suits(self, meaning: Meaning) -> bool:
        """Whether a judgment accepts it."""
        return (
            self.style in meaning.styles
            and (not meaning.players or not self.players.isdisjoint(meaning.players))
            and (meaning.tempo is None or meaning.tempo[0] <= self.bpm <= meaning.tempo[1])
        )


class Comprehension:
    """Asks an encoder and its reader about texts.

    Args:
        folder: the work folder with `tokenizer.json` and `reading.pt`.
        settings: the model's; the vocabulary is the tokenizer's.
    """

    def __init__(self, folder: Path, settings: ModelSettings) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = text_config(settings)
        config.vocab_size = self._tokenizer.get_vocab_size()
        self._encoder = T5EncoderModel(config).eval()
        self._reader = Reader(settings.text_size)
        read_encoder(folder, self._encoder)
        read_reader(folder, self._reader)

    @torch.inference_mode()
    def answer(self, prompt: str) -> Answer:
        """The likeliest style, tempo and players."""
        text = torch.tensor([self._tokenizer.encode(prompt).ids])
        likely = self._reader.guess(encode(self._encoder, text), text)[0].split(ANSWERS)
        best = [int(part.argmax()) for part in likely]
        players = zip(PLAYERS, best[FIRST_PLAYER:], strict=False)
        return Answer(
            STYLES[best[0]].name,
            beats_per_minute(sorted(EIGHTHS)[best[TEMPO]]),
            frozenset(name for names, place in players if (name := names[place]) is not None),
        )


def held_out_prompts() -> list[tuple[str, Meaning]]:
    """Prompts that nothing is trained on, with what would do."""
    lines = HELD_OUT.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" = ") for line in lines if line and not line.startswith("#")]
    return [(prompt, read_meaning("neutral", traits.split(", "))) for prompt, traits in pairs]


def main() -> None:
    """Parse the arguments, ask, print."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.nano.comprehension", description=__doc__
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--verbose", action="store_true", help="every prompt's answer")
    arguments = parser.parse_args()
    asked = Comprehension(arguments.work, ModelSettings())
    prompts, styles, whole = held_out_prompts(), 0, 0
    for prompt, meaning in prompts:
        answer = asked.answer(prompt)
        styles += answer.style in meaning.styles
        whole += answer.suits(meaning)
        if arguments.verbose:
            right = " " if answer.suits(meaning) else "X"
            print(f"{right} {answer.style:10} {answer.bpm:5.0f}  {prompt}")
    print(f"held-out prompts: style {styles}/{len(prompts)}, with tempo and player {whole}")
    chance = sum(len(meaning.styles) for _, meaning in prompts) / len(prompts) / len(STYLES)
    print(f"by chance: {chance:.0%}; every answer the best single style: {_best_constant(prompts)}")
    random, same, count = Random(0), 0, 0
    phrases = [phrase for phrase in lexicon() if mistype(phrase, Random(1), 1.0) != phrase]
    for phrase in random.sample(phrases, min(MISTYPED, len(phrases))):
        typed = mistype(phrase, random, 1.0)
        count += typed != phrase
        same += typed != phrase and asked.answer(typed).style == asked.answer(phrase).style
    print(f"mistyped phrases with the style of the right spelling: {same}/{count}")


def _best_constant(prompts: list[tuple[str, Meaning]]) -> int:
    return max(sum(style.name in meaning.styles for _, meaning in prompts) for style in STYLES)


if __name__ == "__main__":
    main()
