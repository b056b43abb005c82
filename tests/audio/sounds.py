"""Sounds to test with, and files of formats that songloom reads and does not write."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from songloom.audio.files import Audio


def tones(seconds: float, sample_rate: int, channels: int = 1) -> Tensor:
    """Give `(channels, N)` with another tone in each channel."""
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    pitches = 220 * torch.arange(1, channels + 1)
    return 0.4 * torch.sin(2 * torch.pi * pitches[:, None] * time).float()


def tone_audio(seconds: float = 1.0, sample_rate: int = 32000, channels: int = 1) -> Audio:
    return Audio(tones(seconds, sample_rate, channels), sample_rate)


def encode(path: Path, audio: Audio, codec: str, options: dict[str, str] | None = None) -> None:
    """Write `audio`, one or two channels, with any codec of FFmpeg's."""
    layout = "stereo" if len(audio.samples) == 2 else "mono"
    with av.open(path, "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=audio.sample_rate, layout=layout)
        stream.bit_rate = 128_000
        samples = np.ascontiguousarray(audio.samples.numpy())
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate = audio.sample_rate
        frame.time_base = Fraction(1, audio.sample_rate)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def silent_film(path: Path) -> None:
    """Write a video without sound."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cut(path: Path, share: float) -> None:
    """Keep the first `share` of a file's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
