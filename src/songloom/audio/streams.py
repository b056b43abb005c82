"""An audio file that can be played while it grows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av
import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

BITS_PER_SECOND = 192_000


class Mp3Stream:
    """Writes mp3 as samples come; each write can be heard at once.

    No header tells the length, so that a player can begin before it is known.

    Args:
        path: the file, which is begun anew.
        sample_rate: Hz.
        channels: one or two.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        self._layout = "mono" if channels == 1 else "stereo"
        self._sample_rate, self._written = sample_rate, 0
        options = {"write_xing": "0", "id3v2_version": "0", "flush_packets": "1"}
        self._container = av.open(str(path), "w", format="mp3", options=options)
        self._stream = self._container.add_stream(
            "libmp3lame", rate=sample_rate, layout=self._layout
        )
        self._stream.bit_rate = BITS_PER_SECOND

    @property
    def seconds(self) -> float:
        """Audio written so far."""
        return self._written / self._sample_rate

    def write(self, samples: Tensor) -> None:
        """Add `samples (C, n)`; what is beyond [-1, 1] is cut."""
        block = np.ascontiguousarray(samples.clamp(-1, 1).numpy(), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, "fltp", self._layout)
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        frame.pts = self._written
        self._written += block.shape[1]
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds, and close the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
