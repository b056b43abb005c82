"""Small models and small songs to train them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from songloom.models.lm import LM, LMConfig
from songloom.training.batches import TrainingSong
from songloom.training.loop import Trainer
from songloom.training.plan import make_plan, make_trainable
from songloom.training_request import TrainingRequest

CARD, BOOKS, TEXT = 16, 2, 12
FRAME_RATE, HOP = 50.0, 640


def tiny_lm(*, cross: bool = True, chroma: int = 0, seed: int = 0, text: int = TEXT) -> LM:
    torch.manual_seed(seed)
    config = LMConfig(
        num_codebooks=BOOKS,
        codebook_size=CARD,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        ffn_size=32,
        delays=tuple(range(BOOKS)),
        text_size=text,
        cross_attention=cross,
        chroma_bins=chroma,
        chroma_frames=6 if chroma else 0,
    )
    lm = LM(config)
    for parameter in lm.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    return lm


def encode_text(caption: str) -> Tensor:
    """States that depend on the caption, one step for each word."""
    words = caption.split() or [""]
    rows = [
        torch.randn(TEXT, generator=torch.Generator().manual_seed(sum(word.encode())))
        for word in words
    ]
    return torch.stack(rows)[None]


def tune(name: str, frames: int = 120, seed: int = 0) -> TrainingSong:
    """A song that repeats itself, so that it can be learned."""
    generator = torch.Generator().manual_seed(seed)
    bar = torch.randint(0, CARD, (BOOKS, 10), generator=generator)
    codes = bar.repeat(1, frames // 10 + 1)[:, :frames].short()
    chroma = torch.randint(0, 12, (frames * HOP // 4096 + 1,), generator=generator).byte()
    return TrainingSong(
        name, codes, chroma, f"song {name}", {"genre": ("rock", "pop"), "bpm": ("90 bpm",)}
    )


SONGS = [tune(str(i), seed=i) for i in range(4)]


def request(**values: Any) -> TrainingRequest:
    defaults: dict[str, Any] = {
        "dataset_path": Path("songs"),
        "epochs": 2,
        "updates_per_epoch": 4,
        "batch_size": 4,
        "window_seconds": 0.6,
        "optimizer": "adamw",
        "lr": 0.01,
        "warmup": 1,
        "micro_batch": 2,
    }
    return TrainingRequest(**{**defaults, **values})


def trainer(
    folder: Path,
    asked: TrainingRequest,
    *,
    lm: LM | None = None,
    songs: list[TrainingSong] | None = None,
    held_out: list[TrainingSong] | None = None,
    settings: dict[str, Any] | None = None,
) -> Trainer:
    """A trainer with a fresh model; the first song is held out."""
    model = lm or tiny_lm()
    dtype = make_trainable(model, asked, torch.device("cpu"))
    plan = make_plan(asked, model, window_seconds=2.0, frame_rate=FRAME_RATE, dtype=dtype)
    return Trainer(
        model,
        plan,
        SONGS[1:] if songs is None else songs,
        SONGS[:1] if held_out is None else held_out,
        encode_text,
        HOP,
        folder,
        settings or {},
    )
