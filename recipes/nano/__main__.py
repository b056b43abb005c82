"""Run the recipe: `python -m recipes.nano all`, or one stage after the other.

Every stage can be stopped and started again. `--smoke` runs all of them in about a minute, on
sizes that teach nothing.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

from recipes.nano.bank import SOUND_FONT, build_bank, load_bank
from recipes.nano.baselines import baseline
from recipes.nano.codec import CodecSettings, evaluate_codec, load_codec, train_codec
from recipes.nano.model import ModelSettings
from recipes.nano.pack import pack, verify
from recipes.nano.runs import Log
from recipes.nano.sampler import Sampler
from recipes.nano.tokenizer import train_tokenizer
from recipes.nano.tokens import (
    CLIP_FRAMES,
    load_held_out_clips,
    load_training_clips,
    write_shards,
)
from recipes.nano.train_lm import TrainingSettings, evaluate_lm, load_model, train_lm

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sizes:
    """How large everything is: the real recipe, or the smoke run."""

    codec: CodecSettings
    codec_seconds: float
    clip_frames: int
    clips_per_shard: int
    shards: int
    model: ModelSettings
    training: TrainingSettings
    training_seconds: float


RECIPE = Sizes(
    codec=CodecSettings(),
    codec_seconds=45 * 60,
    clip_frames=CLIP_FRAMES,
    clips_per_shard=96,
    shards=64,
    model=ModelSettings(),
    training=TrainingSettings(),
    training_seconds=120 * 60,
)
SMOKE = Sizes(
    codec=CodecSettings(
        filters=4, width=16, codebook_size=32, batch=2, frames=20, unquantised_steps=4,
        refit_every=4,
    ),
    codec_seconds=4,
    clip_frames=100,
    clips_per_shard=4,
    shards=2,
    model=ModelSettings(
        codebook_size=32, hidden_size=32, layers=1, heads=2, ffn_size=64, text_size=24,
        text_layers=1, text_heads=2, text_ffn_size=64, clip_frames=100,
    ),
    training=TrainingSettings(held_out=2),
    training_seconds=3,
)  # fmt: skip


class Recipe:
    """The stages, over one work folder."""

    def __init__(self, work: Path, sizes: Sizes, device: str) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._work, self._sizes, self._device = work, sizes, device
        self._bank = work / "bank.npz"
        self._tokenizer = work / "tokenizer.json"

    def bank(self, sound_font: Path) -> None:
        """Render the notes, where that is not done yet."""
        if not self._bank.exists():
            build_bank(self._bank, sound_font)

    def codec(self, seconds: float | None) -> None:
        """Train the codec."""
        budget = seconds or self._sizes.codec_seconds
        train_codec(self._work, self._sampler(), self._sizes.codec, budget, self._device)

    def tokens(self, shards: range | None) -> None:
        """Code clips; `shards` are those of this process."""
        write_shards(
            self._work / "tokens",
            load_codec(self._work),
            self._sampler(),
            Log(self._work / "tokens.log"),
            shards if shards is not None else range(self._sizes.shards),
            self._sizes.clips_per_shard,
            self._sizes.clip_frames,
        )

    def lm(self, seconds: float | None) -> None:
        """Train the language model."""
        budget = seconds or self._sizes.training_seconds
        tokenizer = self._load_tokenizer()
        model = replace(self._sizes.model, vocabulary=tokenizer.get_vocab_size())
        train_lm(self._work, tokenizer, model, self._sizes.training, budget, self._device)

    def pack(self, out: Path) -> None:
        """Write the model folder and check it with stock transformers."""
        model = load_model(self._work)
        pack(out, model, load_codec(self._work), self._load_tokenizer(), self._sizes.clip_frames)
        difference = verify(out, model)
        size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
        print(f"packed {out}: {size:.1f} MB; logits differ from transformers' by {difference:.1e}")

    def report(self) -> None:
        """Print what was reached, on clips that were held out."""
        codec = load_codec(self._work)
        ratio, distance = evaluate_codec(codec, self._sampler())
        print(f"codec: SI-SDR {ratio:.2f} dB, mel distance {distance:.4f}")
        training = load_training_clips(self._work / "tokens")
        held_out = load_held_out_clips(self._work / "tokens")
        size = self._sizes.model.codebook_size
        for k in range(held_out.codes.shape[1]):
            print(f"codebook {k}: {baseline(training, held_out, k, size)}")
        model, tokenizer = load_model(self._work), self._load_tokenizer()
        print(f"model: {evaluate_lm(model, held_out, tokenizer, len(held_out))}")

    def _sampler(self) -> Sampler:
        return Sampler(load_bank(self._bank))

    def _load_tokenizer(self) -> Tokenizer:
        if not self._tokenizer.exists():
            unfinished = self._tokenizer.with_suffix(".part")
            train_tokenizer().save(str(unfinished))
            unfinished.replace(self._tokenizer)
        return Tokenizer.from_file(str(self._tokenizer))


def main() -> None:
    """Parse the arguments and run."""
    stages = ("bank", "codec", "tokens", "lm", "pack", "report")
    parser = argparse.ArgumentParser(prog="python -m recipes.nano", description=__doc__)
    parser.add_argument("stage", choices=("all", *stages))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "nano")
    parser.add_argument("--out", type=Path, help="model folder (default: the package's own)")
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: torch's choice")
    parser.add_argument("--budget-minutes", type=float, help="of the codec or lm stage, in all")
    parser.add_argument("--shards", help="FIRST:END, the tokens stage's share of the work")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, about a minute")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.smoke and arguments.out is None:
        parser.error("--smoke needs --out, so that the real model is not replaced by a toy")
    shards = range(*map(int, arguments.shards.split(":"))) if arguments.shards else None
    seconds = arguments.budget_minutes * 60 if arguments.budget_minutes else None
    out = arguments.out or ROOT / "src" / "songloom" / "assets" / "nano"
    recipe = Recipe(arguments.work, SMOKE if arguments.smoke else RECIPE, arguments.device)
    chosen = stages if arguments.stage == "all" else (arguments.stage,)
    if "bank" in chosen:
        recipe.bank(arguments.sound_font)
    if "codec" in chosen:
        recipe.codec(seconds)
    if "tokens" in chosen:
        recipe.tokens(shards)
    if "lm" in chosen:
        recipe.lm(seconds)
    if "pack" in chosen:
        recipe.pack(out)
    if "report" in chosen:
        recipe.report()


if __name__ == "__main__":
    main()
