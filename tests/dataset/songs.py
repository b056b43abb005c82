"""Songs to prepare in tests, and a model whose codec is quick."""

from pathlib import Path

import torch

from songloom.audio.files import Audio, format_of, write_audio
from songloom.training_request import PrepareRequest
from tests.tiny import tiny_model


def tune(number: int, seconds: float = 2.5, sample_rate: int = 32_000) -> Audio:
    """A tone that no other number gives, mono."""
    time = torch.arange(round(seconds * sample_rate)) / sample_rate
    return Audio(0.3 * torch.sin(2 * torch.pi * (220 + 10 * number) * time)[None], sample_rate)


def write_song(path: Path, number: int = 0, seconds: float = 2.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, tune(number, seconds), format=format_of(path))
    return path


def write_songs(folder: Path, count: int) -> Path:
    for number in range(count):
        write_song(folder / f"song {number}.wav", number)
    return folder


def request_for(
    songs: Path,
    folder: Path,
    *,
    melody: bool = False,
    channels: int = 1,
    held_out: float = 0.1,
    processes: int | None = 1,
    caption: str | None = None,
    labels: Path | None = None,
) -> PrepareRequest:
    """Ask for songs to be prepared, without analysis, for a tiny model that `folder` gets."""
    model = folder / f"model-{melody}-{channels}"
    if not model.exists():
        tiny_model(model, melody=melody, channels=channels)
    return PrepareRequest(
        dataset_path=songs,
        auto_labeling=False,
        one_same_description=caption,
        model_version=str(model),
        labels=labels,
        held_out=held_out,
        processes=processes,
    )
