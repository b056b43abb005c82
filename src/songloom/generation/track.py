"""A finished piece of music."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from songloom.audio.files import Audio, format_of, write_audio
from songloom.audio.loudness import normalize
from songloom.request import GenerationRequest, OutputFormat
from songloom.version import __version__

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Track:
    """A finished piece of music, as `Model.generate` returns it."""

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
        if format is None:
            named = isinstance(target, str | Path) and Path(target).suffix
            format = format_of(str(target)) if named else self.request.output_format
        audio = Audio(self.normalized(), self.sample_rate)
        write_audio(target, audio, format=format, tags=self.tags())

    def tags(self) -> dict[str, str]:
        """The file's metadata: title, software, and the settings that made the track."""
        made_by = {
            "model": self.model,
            "version": __version__,
            **self.request.to_mapping(),
            "seed": self.seed,
        }
        # Whoever is given the piece has no business with the folders of who made it.
        for name in ("model", "input_audio", "melody_audio"):
            path = made_by[name]
            if path is not None and Path(str(path)).is_absolute():
                made_by[name] = Path(str(path)).name
        tags = {
            "title": self.request.prompt.strip(),
            "software": f"songloom {__version__}",
            "comment": json.dumps(made_by, ensure_ascii=False),
        }
        return {name: text for name, text in tags.items() if text}
