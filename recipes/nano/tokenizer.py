"""The tokenizer: words of our captions whole, everything else in pieces."""

from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from recipes.nano.compose import caption, compose
from recipes.nano.compose.lexicon import lexicon

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
VOCABULARY = 2048
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789#-'&/"
PUNCTUATION = Regex(r'[,.;:!?()"+*_~|<>=\[\]{}`\u2018-\u201f]')
ACCIDENTALS = {"\u266f": "#", "\u266d": "b"}
CAPTIONS = 8_000
LEXICON = 3  # times that every phrase counts beside the captions
WORDS = ("drum", "bass", "guitar", "music", "song", "melody", "groove", "beat", "chords", "synth")


def train_tokenizer() -> Tokenizer:
    """Byte-pair encoding over captions, with the special tokens where T5 has them.

    Case, accents and punctuation do not count: `Piano, in C# minor.` is `piano in c# minor`. A run
    of letters of another script, or of emoji, is one unknown token.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([
        *(normalizers.Replace(sign, letter) for sign, letter in ACCIDENTALS.items()),
        normalizers.NFKD(),
        normalizers.StripAccents(),
        normalizers.Lowercase(),
        normalizers.Replace(PUNCTUATION, " "),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, UNKNOWN],
        initial_alphabet=list(ALPHABET),
        limit_alphabet=len(ALPHABET),
        show_progress=False,
    )
    captions = (caption(compose(seed), Random(seed)) for seed in range(CAPTIONS))
    tokenizer.train_from_iterator([*captions, *WORDS, *LEXICON * list(lexicon())], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer.from_pretrained(folder)` reads."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=512,
    )
    wrapped.save_pretrained(folder)
