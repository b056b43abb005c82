"""Run the recipe: `python -m recipes.nano all`, or one stage after the other.

Every stage can be stopped and started again. `--smoke` runs all of them in about a minute, on
sizes that teach nothing.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from recipes.nano.associations import AssociationSettings
from recipes.nano.bank import SOUND_FONT, build_bank, load_bank
from recipes.nano.baselines import baselines
from recipes.nano.clips import held_out_clip
from recipes.nano.codec.coder import Coder, load_codec
from recipes.nano.codec.export import export_codec
from recipes.nano.codec.fit import Fit, FitSettings, fit_codec, load_fit, save_fit
from recipes.nano.codec.network import FrameCodec
from recipes.nano.codec.probe import measure_fidelity, read_pieces
from recipes.nano.codec.start import start_codec
from recipes.nano.codec.train import CodecSettings, train_codec
from recipes.nano.model import ModelSettings
from recipes.nano.pack import pack, verify
from recipes.nano.reading import ReadingSettings, teach_reading
from recipes.nano.runs import GoesOn, before, forever
from recipes.nano.sampler import Sampler
from recipes.nano.sounds.mastering import master_mixes
from recipes.nano.sounds.pool import PoolSizes, build_pools
from recipes.nano.tokenizer import train_tokenizer
from recipes.nano.train_lm import TrainingSettings, evaluate_lm, load_model, train_lm

ROOT = Path(__file__).parents[2]
RECORDINGS = Path("/usr/share/planetblupi/music")  # Debian's planetblupi-music-ogg: heard only
REPORTED_FRAMES = 250  # ten seconds
FITTED_MIXES = 1200
STAGES = ("bank", "sounds", "codec", "reading", "lm", "pack", "report")


@dataclass(frozen=True)
class Sizes:
    """How large everything is: the real recipe, or the smoke run."""

    pools: PoolSizes
    fit: FitSettings
    codec: CodecSettings
    reading: ReadingSettings
    model: ModelSettings
    training: TrainingSettings
    reported: int
    """Clips of the report."""


RECIPE = Sizes(
    pools=PoolSizes(),
    fit=FitSettings(),
    codec=CodecSettings(),
    reading=ReadingSettings(),
    model=ModelSettings(),
    training=TrainingSettings(),
    reported=100,
)
SMOKE = Sizes(
    pools=PoolSizes(stems_of_a_program=0, beats_of_a_kit=0, synthesized=4, bands=0, mixes=3),
    fit=FitSettings(components=8, bands=4, size=1024, sample=400),
    codec=CodecSettings(width=318, steps=2, batch=1, frames=32, report_seconds=0.0),
    reading=ReadingSettings(
        steps=2, batch=4, report_every=1,
        associations=AssociationSettings(pool=20, prompts=8, phrases=20, words=20, pairs=4),
    ),
    model=ModelSettings(
        codebook_size=1024, hidden_size=32, layers=1, heads=2, ffn_size=64, text_size=24,
        text_layers=1, text_heads=2, text_ffn_size=64, clip_frames=50,
    ),
    training=TrainingSettings(
        steps=3, short_batch=2, short_frames=30, middle_batch=1, middle_frames=40, held_out_at_end=1
    ),
    reported=1,
)  # fmt: skip


class Recipe:
    """The stages, over one work folder."""

    def __init__(self, work: Path, sizes: Sizes, device: str) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._work, self._sizes, self._device = work, sizes, device
        self._bank = work / "bank.npz"
        self._tokenizer = work / "tokenizer.json"

    def bank(self, sound_font: Path) -> None:
        """Render the tones, where that is not done yet."""
        if not self._bank.exists():
            build_bank(self._bank, sound_font)

    def sounds(self, sound_font: Path) -> None:
        """Make the pools of sounds for the codec, where that is not done yet."""
        build_pools(self._work, sound_font, self._sizes.pools)

    def codec(self, recordings: Path, goes_on: GoesOn = forever) -> None:
        """Fit the codec, and train it."""
        pools = build_pools(self._work, SOUND_FONT, self._sizes.pools)
        mixes = master_mixes(
            np.concatenate([pools[0][:FITTED_MIXES], pools[1][: FITTED_MIXES // 3]]), seed=0
        )
        fit = self._fit(mixes)
        start = start_codec(fit, self._sizes.codec.width, self._sizes.codec.kernel, mixes)
        pieces = list(read_pieces(recordings)) if recordings.is_dir() else []
        train_codec(self._work / "codec.pt", start, fit, pools, pieces, self._sizes.codec, goes_on)

    def reading(self) -> None:
        """Teach the text encoder."""
        teach_reading(
            self._work, self._load_tokenizer(), self._model(), self._sizes.reading, self._device
        )

    def lm(self, goes_on: GoesOn = forever, helpers: int = 0) -> None:
        """Train the language model."""
        train_lm(
            self._work, self._load_tokenizer(), self._sampler(), Coder(self._codec()),
            self._model(), self._sizes.training, self._device, goes_on, helpers,
        )  # fmt: skip

    def pack(self, out: Path) -> None:
        """Write the model folder and check it with stock transformers."""
        model = load_model(self._work)
        codec = export_codec(self._codec())
        pack(out, model, codec, self._load_tokenizer(), self._sizes.model.clip_frames)
        difference = verify(out, model)
        size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
        print(f"packed {out}: {size:.1f} MB; logits differ from transformers' by {difference:.1e}")

    def report(self) -> None:
        """Print what was reached, on clips that were held out."""
        sampler, count = self._sampler(), self._sizes.reported
        coder = Coder(self._codec())
        clips = [held_out_clip(number, REPORTED_FRAMES).excerpt for number in range(count)]
        renders = [torch.from_numpy(sampler.render(clip)) for clip in clips]
        carried = measure_fidelity(renders, lambda audio: coder.codec(audio).audio)
        print(f"codec, on held-out renders: {carried}")
        for line in baselines(sampler, coder, count, self._sizes.model.clip_frames):
            print(line)
        model = load_model(self._work)
        print(f"model: {evaluate_lm(model, sampler, coder, self._load_tokenizer(), count)}")

    def _codec(self) -> FrameCodec:
        return load_codec(self._work / "codec.pt")

    def _fit(self, mixes: np.ndarray) -> Fit:
        path = self._work / "fit.pt"
        if not path.exists():
            save_fit(path, fit_codec(mixes, self._sizes.fit))
        return load_fit(path)

    def _model(self) -> ModelSettings:
        return replace(self._sizes.model, vocabulary=self._load_tokenizer().get_vocab_size())

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
    parser = argparse.ArgumentParser(prog="python -m recipes.nano", description=__doc__)
    parser.add_argument("stage", choices=("all", *STAGES))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "nano")
    parser.add_argument("--out", type=Path, help="model folder (default: the package's own)")
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT)
    parser.add_argument(
        "--recordings", type=Path, default=RECORDINGS, help="for the codec's curve; never learned"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: torch's choice")
    parser.add_argument("--steps", type=int, help="of the codec or lm stage in all, its schedule's")
    parser.add_argument("--helpers", type=int, default=0, help="processes that compose ahead")
    parser.add_argument("--until-step", type=int, help="where the codec or lm stage stops for now")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, about a minute")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.smoke and arguments.out is None:
        parser.error("--smoke needs --out, so that the real model is not replaced by a toy")
    sizes = SMOKE if arguments.smoke else RECIPE
    if arguments.steps:
        sizes = replace(
            sizes,
            codec=replace(sizes.codec, steps=arguments.steps),
            training=replace(sizes.training, steps=arguments.steps),
        )
    recipe = Recipe(arguments.work, sizes, arguments.device)
    chosen = STAGES if arguments.stage == "all" else (arguments.stage,)
    if "bank" in chosen:
        recipe.bank(arguments.sound_font)
    if "sounds" in chosen:
        recipe.sounds(arguments.sound_font)
    if "codec" in chosen:
        recipe.codec(arguments.recordings, before(arguments.until_step))
    if "reading" in chosen:
        recipe.reading()
    if "lm" in chosen:
        recipe.lm(before(arguments.until_step), arguments.helpers)
    if "pack" in chosen:
        recipe.pack(arguments.out or ROOT / "src" / "songloom" / "assets" / "nano")
    if "report" in chosen:
        recipe.report()


if __name__ == "__main__":
    main()
