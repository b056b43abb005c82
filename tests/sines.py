"""An engine that makes sines instead of music, for tests of what stands around the engine."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from songloom.generation.track import Track
from songloom.progress import GenerationProgress, ProgressCallback
from songloom.request import GenerationRequest

RATE = 8000


@dataclass
class Info:
    name: str
    licence: str = "CC-BY-NC 4.0"


@dataclass
class SineEngine:
    """Stands for `songloom.load` and for the model it gives; remembers what it was asked for."""

    loaded: list[dict[str, Any]] = field(default_factory=list)
    requests: list[GenerationRequest] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    info: Info = field(default_factory=lambda: Info("nano"))

    def load(
        self,
        name: str,
        *,
        device: str,
        dtype: str,
        base: str | None,
        on_event: ProgressCallback,
    ) -> "SineEngine":
        self.loaded.append({"name": name, "device": device, "dtype": dtype, "base": base})
        self.info = Info(name)
        return self

    def generate(
        self, requests: Sequence[GenerationRequest], *, on_event: ProgressCallback
    ) -> list[Track]:
        self.requests = list(requests)
        on_event(GenerationProgress(0.0, 1.0))
        self.meanwhile()
        return [self.track(request) for request in requests]

    def track(self, request: GenerationRequest) -> Track:
        seed = 1234 if request.seed is None else request.seed
        times = torch.arange(round(request.duration * RATE)) / RATE
        audio = 0.1 * torch.sin(2 * math.pi * (220 + seed) * times)
        return Track(audio[None], RATE, torch.zeros(4, 1), seed, request, self.info.name)
