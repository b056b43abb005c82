"""Vocals removed from a recording of any length, in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from songloom.audio.demucs import demucs_stems, is_installed
from songloom.audio.files import Audio
from songloom.audio.transforms import resample, to_channels
from songloom.training_request import VocalSeparator

VocalRemover = Callable[[Audio], Iterator[Tensor]]
"""Gives a recording without its vocals, in pieces (C, n) that joined are as long as it."""


def vocal_remover(choice: VocalSeparator) -> VocalRemover:
    """Give what removes vocals by the name in a request; "auto" is Demucs where it is installed.

    Whether it can work shows when it is called: `demucs_remover` raises `MissingExtraError`.
    """
    match resolve_separator(choice):
        case "demucs":
            return demucs_remover
        case _:
            return builtin_remover


def resolve_separator(choice: VocalSeparator) -> VocalSeparator:
    """Tell what "auto" stands for on this machine: "demucs" or "builtin"."""
    if choice == "auto":
        return "demucs" if is_installed() else "builtin"
    return choice


DEMUCS_SECONDS, DEMUCS_OVERLAP = 240.0, 5.0


def demucs_remover(audio: Audio) -> Iterator[Tensor]:
    """Remove vocals with the program Demucs, a few minutes at a time.

    Raises `MissingExtraError` where there is no such program, and `AudioError` where it fails.
    """

    def remove(samples: Tensor) -> Tensor:
        (rest,) = demucs_stems(
            Audio(samples, audio.sample_rate),
            ("no_vocals",),
            ("--two-stems", "vocals"),
            "choose the vocal separator 'builtin'",
        )
        channels, length = samples.shape
        kept = resample(to_channels(rest.samples, channels), rest.sample_rate, audio.sample_rate)
        return torch.nn.functional.pad(kept, (0, max(0, length - kept.shape[1])))[:, :length]

    return _process_crossfaded(audio, DEMUCS_SECONDS, DEMUCS_OVERLAP, remove)


CHUNK_SECONDS, OVERLAP_SECONDS = 60.0, 5.0
SHORTEST_SECONDS = 6.0  # there are no repetitions to be found in less
FFT, HOP = 2048, 1024
SIMILAR_FRAMES = 9
APART_SECONDS = 2.0
"""How far similar frames are from a frame: a voice holds a note for less."""
LOWEST_VOICE = 100.0  # Hz
VOICE_WEIGHT = 0.5
"""How the voice is rated in the mask: more removes more, of the music too."""


def builtin_remover(audio: Audio) -> Iterator[Tensor]:
    """Remove what does not repeat, as vocals do not: REPET-SIM, with no weights.

    Each frame of the spectrogram is compared with the median of the frames most similar to it; what
    it has beyond them is masked. Z. Rafii and B. Pardo, "Music/voice separation using the
    similarity matrix" (ISMIR 2012), with soft masks and librosa's filter of nearest neighbours.

    It is far weaker than a trained separator: most of the voice stays, solos and single hits lose
    level, and a voice that repeats itself (a sample in a loop) stays altogether. With a synthetic
    singer as loud as the music, it gained 3 dB (SI-SDR) over a loop of two seconds, and from -1 to
    1 dB over songs that repeat after ten seconds or more. Less than six seconds come back as they
    are.
    """
    return _process_crossfaded(
        audio,
        CHUNK_SECONDS,
        OVERLAP_SECONDS,
        lambda samples: _extract_repetition(samples, audio.sample_rate),
    )


def _extract_repetition(samples: Tensor, sample_rate: int) -> Tensor:
    if samples.shape[1] < SHORTEST_SECONDS * sample_rate:
        return samples
    window = torch.hann_window(FFT)
    spectrum = torch.stft(
        samples, FFT, HOP, window=window, pad_mode="constant", return_complex=True
    )
    level = spectrum.abs()  # (C, frequencies, frames)
    repeated = torch.minimum(_usual_level(level, sample_rate), level)
    beyond = VOICE_WEIGHT * (level - repeated)
    both = repeated.square() + beyond.square()
    mask = torch.where(both > 0, repeated.square() / both, 1.0)
    mask[:, : math.ceil(LOWEST_VOICE * FFT / sample_rate)] = 1.0
    return torch.istft(spectrum * mask, FFT, HOP, window=window, length=samples.shape[1])


def _usual_level(level: Tensor, sample_rate: int) -> Tensor:
    """The median of each frame's most similar frames: (C, frequencies, frames)."""
    import numpy as np
    from librosa.decompose import nn_filter  # late: seconds to import, and seldom needed
    from librosa.segment import recurrence_matrix

    together = level.mean(dim=0).numpy() + 1e-9  # channels share their similar frames
    apart = round(APART_SECONDS * sample_rate / HOP)
    similar = recurrence_matrix(
        together, k=SIMILAR_FRAMES, width=apart, metric="cosine", sym=False, sparse=True
    )
    usual = [nn_filter(channel.numpy(), rec=similar, aggregate=np.median) for channel in level]
    return torch.from_numpy(np.stack(usual)).float()


def _process_crossfaded(
    audio: Audio, seconds: float, overlap_seconds: float, process: Callable[[Tensor], Tensor]
) -> Iterator[Tensor]:
    """Process a recording in chunks of about equal length that fade into one another."""
    samples, length = audio.samples, audio.samples.shape[1]
    overlap = round(overlap_seconds * audio.sample_rate)
    step = round(seconds * audio.sample_rate) - overlap
    count = max(1, -(-(length - overlap) // step))
    starts = [round(index * (length - overlap) / count) for index in range(count)]
    fade = torch.linspace(0, 1, overlap)
    end_of_last: Tensor | None = None
    for index, start in enumerate(starts):
        last = index == count - 1
        end = length if last else starts[index + 1] + overlap
        piece = process(samples[:, start:end])
        if end_of_last is not None:
            head = end_of_last.lerp(piece[:, :overlap], fade)
            piece = torch.cat([head, piece[:, overlap:]], dim=1)
        if last:
            yield piece
        else:
            yield piece[:, :-overlap]
            end_of_last = piece[:, -overlap:]
