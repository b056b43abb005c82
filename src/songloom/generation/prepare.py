"""From a request to what the engine needs: states of the text, the melody, a prompt, a seed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from songloom.checkpoints.components import Components
from songloom.errors import RequestError
from songloom.generation.inputs import InputAudio, InputFormat, read_inputs
from songloom.generation.sampling import SamplingParams
from songloom.generation.sequence import Conditions, Sequence
from songloom.generation.windows import Window, windows
from songloom.models.chroma import chroma
from songloom.models.text import MAX_TOKENS
from songloom.request import GenerationRequest


@dataclass(eq=False)
class Piece:
    """A request while it is turned into music: its conditions, and its tokens so far.

    It is decoded window after window, each of them a sequence.
    """

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
    """Windows that are still to be decoded."""
    adapter: str | None = None
    """The adapter that it is decoded with."""
    notices: tuple[str, ...] = ()
    """Notices for the user, such as a prompt that is not read to its end."""
    window: Window = field(init=False)
    """The window that is decoded, set by `begin_window`."""
    sequence: Sequence = field(init=False, repr=False)
    """What decodes it."""

    @property
    def frames(self) -> int:
        """T: frames of the whole."""
        return self.codes.shape[1]

    def begin_window(self, components: Components) -> bool:
        """Begin with the next window; return whether there is one."""
        window = next(self.windows, None)
        if window is None:
            return False
        request, melody = self.request, None
        if self.melody is not None:
            melody = _chroma_of(self.melody, window, self.frames, components)
        known = window.start + window.known
        self.window = window
        self.sequence = Sequence(
            frames=window.frames,
            conditions=Conditions(self.text, melody),
            sampling=SamplingParams(request.top_k, request.top_p, request.temperature),
            guidance=request.classifier_free_guidance,
            uniforms=self.uniforms[window.start : window.end],
            prompt=self.codes[:, window.start : known] if window.known else None,
            adapter=self.adapter,
        )
        return True

    def collect_codes(self, delays: tuple[int, ...]) -> None:
        """Copy the frames that were decided since the last time out of the sequence."""
        start = self.window.start
        decided = start + self.sequence.frames_done(delays)
        if decided > self.done:
            codes = self.sequence.codes(delays)[:, self.done - start :]
            self.codes[:, self.done : decided] = codes.cpu()
            self.done = decided


def input_format(components: Components) -> InputFormat:
    """The audio that a model takes."""
    info, codec = components.info, components.codec
    return InputFormat(
        model=info.name,
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        hop=codec.hop,
        frame_rate=codec.frame_rate,
        window_seconds=info.window_seconds,
        melody=info.melody,
    )


def prepare(
    request: GenerationRequest,
    components: Components,
    adapter: str | None = None,
    inputs: InputAudio | None = None,
) -> Piece:
    """Read a request's audio, encode its conditions, draw its seed.

    Args:
        request: to be turned into music.
        components: of the model.
        adapter: that it is decoded with.
        inputs: the request's audio, where it was read elsewhere (`read_inputs`).

    Raises:
        RequestError: the request does not fit the model or its audio.
        AudioError: the audio cannot be read.
        ModelError: the diffusion weights that it asks for can't be had.
    """
    info, codec, format = components.info, components.codec, input_format(components)
    if request.multi_band_diffusion:
        components.diffusion_decoder()  # now, so that nothing is generated in vain
    samples = round(request.duration * info.sample_rate)
    if samples == 0:
        raise RequestError(
            f"duration is {request.duration:g} s, less than one sample at {info.sample_rate} Hz; "
            "expected something that can be heard: raise it"
        )
    inputs = inputs or read_inputs(request, format)
    frames = format.count_frames(request.duration)
    known = 0
    codes = torch.zeros(codec.num_codebooks, frames, dtype=torch.long)
    if inputs.clip is not None:
        prompt = codec.encode(inputs.clip).cpu()
        known = prompt.shape[1]
        codes[:, :known] = prompt
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    random = torch.Generator().manual_seed(seed)
    return Piece(
        request=request,
        seed=seed,
        codes=codes,
        done=known,
        prompt_frames=known,
        samples=samples,
        text=components.text(request.prompt) if request.prompt.strip() else None,
        melody=inputs.melody,
        uniforms=torch.rand(frames, codec.num_codebooks, generator=random),
        windows=windows(frames, known, format.window_frames, format.stride_frames),
        adapter=adapter,
        notices=tuple(_notices(request, components)),
    )


def _notices(request: GenerationRequest, components: Components) -> Iterator[str]:
    unread = components.text.count_unread(request.prompt) if request.prompt.strip() else 0
    if unread:
        read = request.prompt[: len(request.prompt) - unread]
        yield (
            f"the prompt is longer than {MAX_TOKENS} tokens: its last {unread} characters, after "
            f"{read[-40:]!r}, are not read; shorten it"
        )


def _chroma_of(melody: Tensor, window: Window, frames: int, components: Components) -> Tensor:
    """Chroma (1, frames, bins) that a window follows.

    A piece of one window follows the melody from its beginning (the model repeats a shorter one);
    in a longer piece the melody moves with the windows and starts anew where it ends.
    """
    codec, config = components.codec, components.lm.config
    length = round(components.info.window_seconds * codec.sample_rate)
    if window.start == 0 and window.end == frames:
        part = melody[:, :length]
    else:
        positions = window.start * codec.hop + torch.arange(length)
        part = melody[:, positions % melody.shape[-1]]
    return chroma(part, codec.sample_rate, config.chroma_bins)
