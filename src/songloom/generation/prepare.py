"""From a request to what the engine needs: states of the text, the melody, a prompt, a seed."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from songloom.audio.files import read_audio
from songloom.audio.stems import separate
from songloom.audio.transforms import convert
from songloom.checkpoints.components import Components
from songloom.errors import RequestError
from songloom.generation.engine import Conditions, Job
from songloom.generation.sampling import SamplingParams
from songloom.generation.windows import Window, windows
from songloom.models.chroma import chroma
from songloom.request import GenerationRequest

STRIDE = 0.6
"""Part of the window by which it moves on in long pieces: 18 s of 30 s, as in the reference."""


@dataclass(eq=False)
class Piece:
    """A request while it is turned into music: its conditions, and its tokens so far."""

    request: GenerationRequest
    seed: int
    codes: Tensor
    """(K, T) tokens; those from `done` on are still to come."""
    done: int
    prompt_frames: int
    samples: int
    """Length of the audio asked for, which may end within the last frame."""
    text: Tensor | None
    """(1, E, text_size) states of the prompt."""
    melody: Tensor | None
    """(1, N) the separated melody at the codec's sample rate."""
    uniforms: Tensor
    """(T, K) the random numbers of its draws."""
    windows: Iterator[Window]
    """What is still to be decoded."""
    adapter: str | None = None
    """The adapter that it is decoded with."""

    @property
    def frames(self) -> int:
        """T: frames of the whole."""
        return self.codes.shape[1]


def prepare(
    request: GenerationRequest, components: Components, adapter: str | None = None
) -> Piece:
    """Read a request's audio, encode its conditions, draw its seed.

    Raises:
        RequestError: the request does not fit the model or its audio.
        AudioError: the audio cannot be read.
        ModelError: the diffusion weights that it asks for can't be had.
    """
    info, codec = components.info, components.codec
    if request.multi_band_diffusion:
        components.diffusion_decoder()  # now, so that nothing is generated in vain
    samples = round(request.duration * info.sample_rate)
    if samples == 0:
        raise RequestError(
            f"duration is {request.duration:g} s, less than one sample at {info.sample_rate} Hz; "
            "expected something that can be heard: raise it"
        )
    # A part of a frame takes a whole one; 0.1 s at 50 frames a second is 5, whatever floats say.
    frames = max(1, math.ceil(request.duration * info.frame_rate - 1e-6))
    prompt = _prompt(request, components, frames)
    known = 0 if prompt is None else prompt.shape[1]
    codes = torch.zeros(codec.num_codebooks, frames, dtype=torch.long)
    if prompt is not None:
        codes[:, :known] = prompt
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    random = torch.Generator().manual_seed(seed)
    window = round(info.window_seconds * info.frame_rate)
    return Piece(
        request=request,
        seed=seed,
        codes=codes,
        done=known,
        prompt_frames=known,
        samples=samples,
        text=components.text(request.prompt) if request.prompt.strip() else None,
        melody=_melody(request, components),
        uniforms=torch.rand(frames, codec.num_codebooks, generator=random),
        windows=windows(frames, known, window, stride=round(window * STRIDE)),
        adapter=adapter,
    )


def job_of(piece: Piece, window: Window, components: Components) -> Job:
    """The sequence that decodes one window of a piece."""
    request = piece.request
    melody = None
    if piece.melody is not None:
        melody = _chroma_of(piece.melody, window, piece.frames, components)
    known = window.start + window.known
    return Job(
        frames=window.frames,
        conditions=Conditions(piece.text, melody),
        sampling=SamplingParams(request.top_k, request.top_p, request.temperature),
        guidance=request.classifier_free_guidance,
        uniforms=piece.uniforms[window.start : window.end],
        prompt=piece.codes[:, window.start : known] if window.known else None,
        adapter=piece.adapter,
    )


def _prompt(request: GenerationRequest, components: Components, frames: int) -> Tensor | None:
    """Codes (K, t) of the clip that is continued."""
    if not request.continuation or request.input_audio is None:
        return None
    codec, path = components.codec, request.input_audio
    audio = read_audio(path)
    start, end = request.continuation_start, request.continuation_end
    if start >= audio.seconds:
        raise RequestError(
            f"continuation_start is {start:g} s, but {path} is only {audio.seconds:.2f} s long; "
            "expected a start before its end"
        )
    if end is not None and end > audio.seconds:
        raise RequestError(
            f"continuation_end is {end:g} s, but {path} is only {audio.seconds:.2f} s long; "
            "expected an end within it, or none for the end of the file"
        )
    end = audio.seconds if end is None else end
    first, last = (round(second * audio.sample_rate) for second in (start, end))
    clip = convert(
        replace(audio, samples=audio.samples[:, first:last]), codec.sample_rate, codec.channels
    )
    whole = clip.samples.shape[-1] // codec.hop * codec.hop
    if whole == 0:
        raise RequestError(
            f"the clip of {path} from {start:g} s to {end:g} s is shorter than a frame "
            f"({1 / codec.frame_rate:g} s); expected something to continue: widen it"
        )
    if whole // codec.hop >= frames:
        raise RequestError(
            f"duration is {request.duration:g} s, but the clip that is continued is "
            f"{whole / codec.sample_rate:.2f} s long already; expected a duration above that "
            "(it includes the clip): raise it, or set continuation_end"
        )
    return codec.encode(clip.samples[:, :whole]).cpu()


def _melody(request: GenerationRequest, components: Components) -> Tensor | None:
    """The melody (1, N) to follow, separated from what accompanies it."""
    path = request.melody_audio
    if path is None and not request.continuation:
        path = request.input_audio
    if path is None:
        return None
    if not components.info.melody:
        raise RequestError(
            f"{_field_of(request)} is {path}, whose melody is to be followed, but the model "
            f"{components.info.name!r} reads text only; use a melody model (nano, melody, "
            "melody-large, stereo-melody, stereo-melody-large), or continuation to continue it"
        )
    audio = separate(read_audio(path), request.melody_stems)
    return convert(audio, components.codec.sample_rate, 1).samples


def _field_of(request: GenerationRequest) -> str:
    return "input_audio" if request.melody_audio is None else "melody_audio"


def _chroma_of(melody: Tensor, window: Window, frames: int, components: Components) -> Tensor:
    """Chroma (1, frames, bins) that a window follows.

    A piece of one window follows the melody from its beginning (the model repeats a shorter one);
    in a longer piece the melody moves with the windows and starts anew where it ends.
    """
    codec, config = components.codec, components.lm.config
    length = round(components.info.window_seconds * codec.sample_rate)
    if window.start == 0 and window.end == frames:
        heard = melody[:, :length]
    else:
        positions = window.start * codec.hop + torch.arange(length)
        heard = melody[:, positions % melody.shape[-1]]
    return chroma(heard, codec.sample_rate, config.chroma_bins)
