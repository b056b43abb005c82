"""The judge: does the model play what it was asked for? `python -m recipes.nano.judge`

Captions that name everything about pieces that were held out go in; what comes out is heard by
`ears`, which say what they say of true renders too, and of these through the codec.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from benchmarks.results import describe_run, refresh_documents, write_results
from recipes.nano.bank import build_bank, load_bank
from recipes.nano.clips import Clip, held_out_clip
from recipes.nano.compose.captions import full_caption
from recipes.nano.compose.instruments import BASS, DRUMS, HARMONY, MELODY
from recipes.nano.compose.theory import FRAME_RATE, SAMPLE_RATE
from recipes.nano.copying import find_nearest_tunes
from recipes.nano.ears import Ears, Heard, fit_ears, load_ears, players_of
from recipes.nano.losses import mel_distance, si_sdr
from recipes.nano.sampler import Sampler
from recipes.nano.train_lm import codebook_losses
from songloom import GenerationRequest, Model, load
from songloom.audio.files import Audio, write_audio
from songloom.checkpoints.components import Components
from songloom.checkpoints.load import load_components
from songloom.generation.track import Track
from songloom.machine import read_processor
from songloom.models.chroma import chroma
from songloom.models.codec import Codec
from songloom.models.delay import apply_delay

SECONDS = 10
CONTINUED_SECONDS = 4  # of a render, which the model goes on from
FITTED_CLIPS, FIRST_FITTED = 900, 10_000  # of the held-out numbers: the ears learn from these
RESULTS = Path(__file__).parent / "results.json"
WORK = Path(__file__).parents[2] / "build" / "nano"


@dataclass(frozen=True)
class Shares:
    """Of some clips: how many are as asked."""

    tempo: float
    key: float
    """With relative keys: the scale has the same notes."""
    mode: float
    """The very key: tonic and mode."""
    style: float
    instruments: float
    """Of the players of melody, harmony and bass: those that are as asked, or rightly none."""
    drums: float
    """Drums are there, or rightly not."""

    @staticmethod
    def of(heard: Sequence[Heard], clips: Sequence[Clip]) -> "Shares":
        """Compare what is heard with what was asked for."""
        pairs = [(each, clip.piece) for each, clip in zip(heard, clips, strict=True)]
        return Shares(
            tempo=_share(h.frames_per_eighth == p.frames_per_eighth for h, p in pairs),
            key=_share(h.key.pitch_classes == p.key.pitch_classes for h, p in pairs),
            mode=_share(h.key == p.key for h, p in pairs),
            style=_share(h.style == p.style for h, p in pairs),
            instruments=_share(
                h.players[section] == players_of(p)[section]
                for h, p in pairs
                for section in (BASS, HARMONY, MELODY)
            ),
            drums=_share((h.players[DRUMS] is None) == (p.drums is None) for h, p in pairs),
        )


class Judge:
    """Asks a model and listens.

    Args:
        model: what is judged.
        components: of the model.
        sampler: renders what should come.
        ears: fitted.
        options: fields of every request: temperature and the like.
        count: clips of each kind.
    """

    def __init__(
        self,
        model: Model,
        components: Components,
        sampler: Sampler,
        ears: Ears,
        options: GenerationRequest,
        count: int,
    ) -> None:
        self._model, self._ears, self._options = model, ears, options
        self._components, codec = components, components.codec
        self.clips = [held_out_clip(number, SECONDS * FRAME_RATE) for number in range(count)]
        self.captions = [full_caption(clip.piece, Random(i)) for i, clip in enumerate(self.clips)]
        self.true = [torch.from_numpy(sampler.render(clip.excerpt)) for clip in self.clips]
        self._sampler = sampler
        with torch.inference_mode():
            self.coded = [
                codec.decode(codec.encode(audio[None]))[0, : len(audio)] for audio in self.true
            ]

    def generate(self) -> list[Track]:
        """A clip for every caption."""
        return self._model.generate(self._requests(len(self.clips)))

    def shares(self, audio: Sequence[Tensor]) -> Shares:
        """How many of these clips, one for each of the first captions, are as asked."""
        return Shares.of(self._ears.hear(audio), self.clips[: len(audio)])

    def copying(self, made: Sequence[Tensor]) -> dict[str, float]:
        """How near the tunes of clips come to those of the training, and those of true pieces."""
        return {
            "nearest_tune": find_nearest_tunes(made, self._sampler),
            "nearest_tune_of_renders": find_nearest_tunes(self.true, self._sampler),
        }

    def codec(self) -> dict[str, float]:
        """How near the codec comes to the renders."""
        pairs = list(zip(self.coded, self.true, strict=True))
        return {
            "si_sdr": _mean(si_sdr(a[None], b[None]).item() for a, b in pairs),
            "mel_distance": _mean(mel_distance(a[None], b[None]).item() for a, b in pairs),
        }

    def melodies(self, count: int) -> dict[str, float]:
        """Agreement with a given melody: the share of chroma frames that are the same.

        Of clips that were asked to follow the render's melody, of the renders through the codec,
        and of those clips with the melodies of others, which is what chance gives.
        """
        with _files(self.true[:count]) as paths:
            made = self._answers([
                replace(request, input_audio=path)
                for request, path in zip(self._requests(count), paths, strict=True)
            ])  # fmt: skip
        given = [_classes(audio) for audio in self.true[:count]]
        followed = [_classes(audio) for audio in made]
        coded = [_classes(audio) for audio in self.coded[:count]]
        others = [*given[1:], *given[:1]]
        return {
            "melody": _agreement(followed, given),
            "melody_codec": _agreement(coded, given),
            "melody_chance": _agreement(followed, others),
        }

    def continuations(self, count: int) -> dict[str, float]:
        """What is kept by a model that goes on from the first seconds of a render."""
        start = CONTINUED_SECONDS * SAMPLE_RATE
        with _files([audio[:start] for audio in self.true[:count]]) as paths:
            made = self._answers([
                replace(
                    request, input_audio=path, continuation=True,
                    duration=SECONDS + CONTINUED_SECONDS,
                )
                for request, path in zip(self._requests(count), paths, strict=True)
            ])  # fmt: skip
        shares = asdict(self.shares([audio[start:] for audio in made]))
        return {f"continued_{name}": shares[name] for name in ("tempo", "key", "instruments")}

    def losses(self, count: int) -> dict[str, float]:
        """Cross-entropy in nats of each codebook's tokens, given a usual caption alone."""
        lm, text, codec = self._components.lm, self._components.text, self._components.codec
        sums = torch.zeros(lm.config.num_codebooks)
        for number, clip in enumerate(self.clips[:count]):
            with torch.inference_mode():
                codes = codec.encode(self.true[number][None])[None]
                delayed = apply_delay(codes, lm.config.delays, lm.config.special_token)
                states = text(clip.caption(Random(number)))
                logits = lm(delayed[:, :, :-1], lm.prefix(states, None, None))
            sums += codebook_losses(logits, delayed, lm.config.special_token)
        return {f"loss_{k}": loss / count for k, loss in enumerate(sums.tolist())}

    def variety(self, count: int) -> float:
        """Share of chroma frames in which two seeds of one caption differ."""
        one, other = (self._answers(self._requests(count, seed)) for seed in (1000, 2000))
        return 1 - _agreement([_classes(a) for a in one], [_classes(a) for a in other])

    def _requests(self, count: int, first_seed: int = 0) -> list[GenerationRequest]:
        return [
            replace(self._options, prompt=text, seed=first_seed + i)
            for i, text in enumerate(self.captions[:count])
        ]

    def _answers(self, requests: list[GenerationRequest]) -> list[Tensor]:
        return [track.audio[0] for track in self._model.generate(requests)]


def ears_of(work: Path, sampler: Sampler, codec: Codec) -> Ears:
    """The ears in a work folder, fitted first where there are none for this codec.

    They learn from renders, and from the same through the codec, whose sound is not what a model is
    judged for.
    """
    path = work / f"ears-{codec.fingerprint()[:8]}.pt"
    ears = load_ears(path)
    if ears is None:
        numbers = range(FIRST_FITTED, FIRST_FITTED + FITTED_CLIPS)
        clips = [held_out_clip(number, SECONDS * FRAME_RATE) for number in numbers]
        renders = [torch.from_numpy(sampler.render(clip.excerpt)) for clip in clips]
        decoded = []
        for audio in renders:
            with torch.inference_mode():
                decoded.append(codec.decode(codec.encode(audio[None]))[0, : len(audio)])
        ears = fit_ears([*clips, *clips], [*renders, *decoded])
        ears.save(path)
    return ears


@contextmanager
def _files(clips: Sequence[Tensor]) -> Iterator[list[Path]]:
    """The clips as files, for a while."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.wav") for i in range(len(clips))]
        for path, clip in zip(paths, clips, strict=True):
            write_audio(path, Audio(clip[None], SAMPLE_RATE), format="wav")
        yield paths


def _classes(audio: Tensor) -> Tensor:
    return chroma(audio[None], SAMPLE_RATE)[0].argmax(-1)


def _agreement(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return _mean(
        (one == other).float().mean().item() for one, other in zip(some, others, strict=True)
    )


def _share(hits: Iterable[bool]) -> float:
    return _mean(float(hit) for hit in hits)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def main() -> None:
    """Parse the arguments, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m recipes.nano.judge", description=__doc__)
    parser.add_argument("--model", default="nano", help="a name or a folder")
    parser.add_argument("--work", type=Path, default=WORK, help="where bank.npz is")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--top-k", type=int, default=250)
    parser.add_argument("--only-shares", action="store_true", help="no melodies, continuations")
    parser.add_argument("--json", action="store_true", help="a last line with all numbers")
    parser.add_argument(
        "--save", action="store_true", help="keep the numbers, and put them into the documents"
    )
    arguments = parser.parse_args()
    bank = arguments.work / "bank.npz"
    if not bank.exists():
        arguments.work.mkdir(parents=True, exist_ok=True)
        build_bank(bank)
    sampler = Sampler(load_bank(bank))
    options = GenerationRequest(
        prompt="music", duration=SECONDS, normalization_strategy="clip", top_k=arguments.top_k,
        temperature=arguments.temperature, classifier_free_guidance=arguments.guidance,
    )  # fmt: skip
    components = load_components(arguments.model)
    judge = Judge(
        load(arguments.model),
        components,
        sampler,
        ears_of(arguments.work, sampler, components.codec),
        options,
        arguments.clips,
    )
    true, coded = asdict(judge.shares(judge.true)), asdict(judge.shares(judge.coded))
    tracks = judge.generate()
    made = asdict(judge.shares([track.audio[0] for track in tracks]))
    print(f"{'':12} {'generated':>9} {'codec':>9} {'renders':>9}   ({arguments.clips} clips)")
    for name, value in made.items():
        print(f"{name:12} {value:9.2f} {coded[name]:9.2f} {true[name]:9.2f}")
    numbers = {**made, **{f"{name}_of_renders": value for name, value in true.items()}}
    numbers |= judge.codec()
    if not arguments.only_shares:
        few = max(1, arguments.clips // 4)
        numbers |= judge.melodies(few) | judge.continuations(few)
        numbers["variety"] = judge.variety(few)
        numbers |= judge.copying([track.audio[0] for track in tracks]) | judge.losses(few)
    for name in [name for name in numbers if name not in made and "_of_renders" not in name]:
        print(f"{name:24} {numbers[name]:.3f}")
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in numbers.items()}))
    if arguments.save:
        command = f"python -m recipes.nano.judge --clips {arguments.clips}"
        values = {"clips": arguments.clips, **{n: round(v, 4) for n, v in numbers.items()}}
        write_results(RESULTS, describe_run(command, str(read_processor()), values))
        refresh_documents()


if __name__ == "__main__":
    main()
