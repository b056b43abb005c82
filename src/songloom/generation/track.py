"""A finished piece of music."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from songloom.audio.files import Audio, write_audio
from songloom.audio.loudness import normalize
from songloom.request import GenerationRequest, OutputFormat

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Track:
    """What `Model.generate` gives."""

    audio: Tensor
    """(C, N) float32, as decoded: the request's normalisation is applied when it is saved."""
    sample_rate: int
    tokens: Tensor
    """(K, T) codes of the codec."""
    seed: int
    """The seed that was used, drawn where the request had none."""
    request: GenerationRequest
    model: str
    """Name of the model that made it."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return float(self.audio.shape[-1] / self.sample_rate)

    def normalized(self) -> Tensor:
        """The audio (C, N) at the level that the request asks for."""
        return normalize(self.audio, self.sample_rate, self.request.normalization_strategy)

    def save(self, target: Path | str | BinaryIO, format: OutputFormat | None = None) -> None:
        """Write the normalised audio, and what made it as metadata.

        Args:
            target: a path, written atomically, or a binary stream.
            format: default: the path's extension where it names a format, else the request's.

        Raises:
            OutputError: the file cannot be written.
        """
        from songloom.audio.files import format_of

        if format is None:
            by_name = None if not isinstance(target, str | Path) else format_of(Path(target))
            format = by_name or self.request.output_format
        audio = Audio(self.normalized(), self.sample_rate)
        write_audio(target, audio, format=format, tags=self.tags())

    def tags(self) -> dict[str, str]:
        """What made this track, for the file's metadata."""
        from songloom import __version__

        request = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self.request).items()
        }
        made_by = {
            "prompt": self.request.prompt,
            "seed": self.seed,
            "model": self.model,
            "version": __version__,
            "request": {**request, "seed": self.seed},
        }
        return {
            "title": self.request.prompt,
            "software": f"songloom {__version__}",
            "comment": json.dumps(made_by, ensure_ascii=False),
        }
