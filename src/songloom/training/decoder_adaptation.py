"""Tuning a codec's decoder on songs, before the language model is trained on their tokens.

Encoder and codebooks stay as they are, so tokens mean the same to every model; what changes is the
sound that they stand for. A small codec is made for all music, and has to leave out a lot of it.
Which part it leaves out of some songs is alike all over them, so a decoder can learn to fill it in.

Only the layers at the frame rate are tuned, and the first that leaves it: they decide which sound
it is, while those after them make waveforms of anything. And it stays near to where it began: a low
rate, few steps, a pull back to the old weights, sounds of other kinds beside the songs, and no
state is kept that is much worse on those.

Signals may be lifted by a constant, so that ELUs leave them alone (nano's codec is written so).
Such a constant must go on to come out as it did: what a weight's changes add up to over the layer's
inputs is kept at nothing, and biases are left as they are.

Shapes: B crops, C channels, D latents, T frames, N samples.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from songloom.errors import Cancelled
from songloom.models.codec import Codec
from songloom.models.encodec import Decoder, TransposedConv, set_plain_weights
from songloom.progress import DecoderProgress, ProgressCallback
from songloom.training.coded_excerpts import CONTEXT, CodedExcerpt, cut_excerpt
from songloom.training.decoder_state import DecoderState, load_decoder_state, save_decoder_state
from songloom.training.sound_loss import sound_loss
from songloom.training.synthetic_sounds import make_sounds

STEPS = 240
MEASURE_EVERY = 24
PATIENCE = 3
"""Measurements without improvement after which no more steps are made."""
BATCH = 4
REHEARSED = 1
"""Crops of a batch that are of other sounds."""
CROP_FRAMES = 50
LEAD_FRAMES = 25
"""Frames of a crop before those that are compared: the LSTM begins with nothing in its memory."""
LEARNING_RATE, WARMUP = 2e-3, 12
"""Of each weight, relative to the size of its tensor's: a codec's layers differ a lot in that."""
SMALLEST = 1e-3
"""Tensors that are smaller than this are taken to have this size."""
PULL = 0.02
"""Share of the way back to the old weights that each step goes, at a full learning rate."""
MOST_MEASURED = 6
"""Held-out excerpts that measurements look at."""
MEASURED_FRAMES = 200
WORST = 0.1
"""How much farther other sounds may be from their originals than by the old decoder."""
LEAST_GAIN = 0.01
"""A smaller relative gain on held-out music is not worth a file."""
SMALL_PARAMETERS = 20_000_000
"""Codecs up to this size have a decoder that is worth tuning, and quick enough on a CPU."""
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class AdaptationResult:
    """The result of tuning."""

    decoder: Decoder | None
    """The tuned decoder; None if it is not better."""
    steps: int
    """Steps that were made."""
    before: float
    """Loss of the old decoder on held-out music."""
    after: float
    """Of the best one that is not much worse on other sounds."""


def is_small(codec: Codec) -> bool:
    """Whether a codec's decoder is tuned where nobody said anything about it."""
    return sum(p.numel() for p in codec.encodec.parameters()) <= SMALL_PARAMETERS


def tuned_names(decoder: Decoder) -> tuple[str, ...]:
    """The weights that tuning changes, as they act: those up to the first layer above frames."""
    layers = decoder.layers
    last = next(i for i, layer in enumerate(layers) if isinstance(layer, TransposedConv))
    names: list[str] = []
    for path, module in nn.ModuleList(layers[: last + 1]).named_modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            names.append(f"layers.{path}.weight")
        elif isinstance(module, nn.LSTM):
            of_lstm = (name for name, _ in module.named_parameters() if name.startswith("weight_"))
            names += [f"layers.{path}.{name}" for name in of_lstm]
    return tuple(names)


class DecoderAdaptation:
    """Tunes a decoder from the beginning, or from where it was stopped.

    Args:
        codec: the codec; it is left as it is.
        training: excerpts of songs to tune on.
        held_out: excerpts of other music, to measure on.
        seed: decides all that is drawn.
        folder: where the state is kept.
        identity: what must be the same for a saved state to be gone on with.
    """

    def __init__(
        self,
        codec: Codec,
        training: Sequence[CodedExcerpt],
        held_out: Sequence[CodedExcerpt],
        seed: int,
        folder: Path,
        identity: str,
    ) -> None:
        self._codec, self._seed, self._folder = codec, seed, folder
        self._identity = identity
        self._training = training
        # What needs no gradient would be no parameter any more once its weight norm is folded.
        self._decoder = codec.copy_decoder().train().requires_grad_(True)
        self._names = tuned_names(self._decoder)
        for name in self._names:
            owner = self._decoder.get_submodule(name.rpartition(".")[0])
            if is_parametrized(owner, "weight"):
                remove_parametrizations(owner, "weight")
        self._decoder.requires_grad_(False)
        self._weights = [self._decoder.get_parameter(name) for name in self._names]
        for weight in self._weights:
            weight.requires_grad_(True)
        self._old = [weight.detach().clone() for weight in self._weights]
        self._inputs = [_inputs_of(self._decoder, name) for name in self._names]
        groups = [
            {"params": [w], "size": max(SMALLEST, float(w.detach().square().mean().sqrt()))}
            for w in self._weights
        ]
        self._optimizer = torch.optim.Adam(groups, LEARNING_RATE, (0.9, 0.95))
        sounds = _code_sounds(codec)
        # Neighbours differ in kind: half of them for tuning, the other half to look at.
        self._rehearsed, watched = sounds[::2], sounds[1::2]
        self._measured = [self._measured_part(each) for each in held_out[:MOST_MEASURED]]
        self._watched = [self._measured_part(each) for each in watched]
        saved = load_decoder_state(folder, identity)
        self._state = saved or DecoderState(identity)
        if saved is not None:
            self._load(saved.weights)
            self._optimizer.load_state_dict(copy.deepcopy(saved.optimizer))

    def run(
        self,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> AdaptationResult:
        """Tune to the end, or until patience ends.

        Raises:
            Cancelled: `cancelled` said True; the state is saved.
            OutputError: the state cannot be saved.
        """
        tell = on_event or (lambda event: None)
        state, began = self._state, monotonic()
        saved, first = began, state.step
        if not state.losses:
            self._measure()
            state.best = {}  # the old one needs no keeping
        while state.step < STEPS and not state.finished:
            if cancelled is not None and cancelled():
                self._save()
                raise Cancelled(
                    f"the tuning of the decoder was stopped after step {state.step} of {STEPS} and "
                    "saved; run the same command to go on"
                )
            loss = self._step()
            each = (monotonic() - began) / (state.step - first)
            tell(DecoderProgress(state.step, STEPS, loss, each * (STEPS - state.step)))
            if state.step % MEASURE_EVERY == 0:
                self._measure()
            if monotonic() - saved >= SAVE_SECONDS:
                self._save()
                saved = monotonic()
        state.finished = True
        self._save()
        return self._result()

    def _step(self) -> float:
        state = self._state
        random = Random(f"{self._seed}/decoder/{state.step}")
        songs = random.choices(self._training, k=BATCH - REHEARSED)
        others = random.choices(self._rehearsed, k=REHEARSED)
        crops = [self._crop(excerpt, random) for excerpt in (*songs, *others)]
        warm = min(1.0, (state.step + 1) / WARMUP)
        rate = warm * (1 + math.cos(math.pi * state.step / STEPS)) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate * group["size"]
        self._optimizer.zero_grad()
        total = 0.0
        for latents, lead, original in crops:  # one by one: memory is that of a single crop
            decoded = self._decode_part(latents, lead, original.shape[-1])
            loss, _ = sound_loss(decoded, original, self._codec.sample_rate)
            torch.autograd.backward(loss / len(crops))
            total += loss.item() / len(crops)
        norm = torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        if math.isfinite(total) and math.isfinite(float(norm)):
            self._optimizer.step()
            with torch.no_grad():
                for weight, old, inputs in zip(self._weights, self._old, self._inputs, strict=True):
                    change = weight - old
                    change -= change.mean(inputs, keepdim=True)
                    weight.copy_(old + (1 - PULL * rate) * change)
        state.step += 1
        return total

    def _crop(self, excerpt: CodedExcerpt, random: Random) -> tuple[Tensor, int, Tensor]:
        """Latents (C, D, T) of a crop, how many of them lead to it, its samples (C, N)."""
        hop = self._codec.hop
        frames = excerpt.samples.shape[-1] // hop
        length = min(CROP_FRAMES, frames)
        return self._part(excerpt, random.randint(0, frames - length), length)

    def _measured_part(self, excerpt: CodedExcerpt) -> tuple[Tensor, int, Tensor]:
        frames = excerpt.samples.shape[-1] // self._codec.hop
        return self._part(excerpt, 0, min(MEASURED_FRAMES, frames))

    def _part(self, excerpt: CodedExcerpt, start: int, length: int) -> tuple[Tensor, int, Tensor]:
        codec, at = self._codec, excerpt.lead + start
        first = max(0, at - LEAD_FRAMES)
        codes = excerpt.codes[:, first : at + length + CONTEXT // 10].long().to(codec.device)
        samples = excerpt.samples[:, start * codec.hop : (start + length) * codec.hop]
        with torch.no_grad():
            return codec.latents(codes), at - first, samples.to(codec.device)

    def _decode_part(self, latents: Tensor, lead: int, length: int) -> Tensor:
        samples: Tensor = self._decoder(latents)[:, 0]
        start = lead * self._codec.hop
        return samples[:, start : start + length]

    @torch.no_grad()
    def _distances(self, parts: Sequence[tuple[Tensor, int, Tensor]]) -> tuple[float, float]:
        """Mean loss and log-mel distance over some sounds."""
        found = [
            sound_loss(self._decode_part(x, lead, y.shape[-1]), y, self._codec.sample_rate)
            for x, lead, y in parts
        ]
        losses, mels = (torch.stack(values).mean().item() for values in zip(*found, strict=True))
        return losses, mels

    def _measure(self) -> None:
        """Measure on held-out music and on other sounds; keep what is best."""
        state = self._state
        loss, watched = self._distances(self._measured)[0], self._distances(self._watched)[1]
        if not state.losses:
            state.watched = watched
        fits = watched <= (1 + WORST) * state.watched
        if fits and loss < min(state.losses, default=math.inf):
            state.best = self._copy_weights()
        state.losses.append(loss if fits else math.inf)
        best = state.losses.index(min(state.losses))
        state.finished = len(state.losses) - 1 - best >= PATIENCE

    def _copy_weights(self) -> dict[str, Tensor]:
        pairs = zip(self._names, self._weights, strict=True)
        return {name: weight.detach().clone() for name, weight in pairs}

    def _result(self) -> AdaptationResult:
        state = self._state
        before, after = state.losses[0], min(state.losses)
        decoder = None
        if state.best and after <= (1 - LEAST_GAIN) * before:
            decoder = self._codec.copy_decoder()
            set_plain_weights(decoder, state.best)
        return AdaptationResult(decoder, state.step, before, after)

    @torch.no_grad()
    def _load(self, weights: dict[str, Tensor]) -> None:
        for name, weight in zip(self._names, self._weights, strict=True):
            weight.copy_(weights[name])

    def _save(self) -> None:
        state = self._state
        state.weights = self._copy_weights()
        state.optimizer = self._optimizer.state_dict()
        save_decoder_state(state, self._folder)


def _inputs_of(decoder: Decoder, name: str) -> int:
    """The dimension of a weight that its layer's inputs lie along."""
    owner = decoder.get_submodule(name.rpartition(".")[0])
    return 0 if isinstance(owner, nn.ConvTranspose1d) else 1


def _code_sounds(codec: Codec) -> list[CodedExcerpt]:
    """Sounds of other kinds, through the codec's encoder."""
    coded = []
    for sound in make_sounds(codec.sample_rate):
        samples = sound[: len(sound) // codec.hop * codec.hop].expand(codec.channels, -1)
        codes = codec.encode(samples.to(codec.device)).cpu()
        coded.append(cut_excerpt("", samples, codes, 0, codec.hop))
    return coded
