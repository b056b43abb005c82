"""A prediction's audio while it is generated."""

from __future__ import annotations

from pathlib import Path

from songloom.audio.streams import Mp3Stream
from songloom.generation.model import STREAM_SECONDS, Model
from songloom.generation.prepare import Piece
from songloom.jobs.messages import Previewed
from songloom.jobs.paths import STREAM_FILE


class AudioStream:
    """Decodes a piece's tokens as they come, into a file that can be played while it grows.

    Args:
        id: of the prediction.
        folder: of the prediction.
        model: that generates.
        adapter: that it generates with.
    """

    def __init__(self, id: str, folder: Path, model: Model, adapter: str | None = None) -> None:
        self._id, self._path, self._info = id, folder / STREAM_FILE, model.info
        self._decoder = model.decoder(adapter)
        self._file: Mp3Stream | None = None
        self._asked = self._decoded = 0  # frames
        self._samples = 0
        self.complete = False
        """Whether all of the audio is in the file."""

    def has_more(self, piece: Piece) -> bool:
        """Whether enough was generated since the last time to be worth decoding; asked once."""
        least = round(STREAM_SECONDS * self._info.frame_rate)
        more = piece.done - self._asked >= least or self._asked < piece.done == piece.frames
        if more:
            self._asked = piece.done
        return more

    def write(self, piece: Piece, done: int) -> Previewed | None:
        """Write what the frames before `done` complete; None where that is nothing."""
        if self._file is None:
            self._file = Mp3Stream(self._path, self._info.sample_rate, self._info.channels)
        codes = piece.codes[:, self._decoded : done]
        self._decoded = done
        parts = [self._decoder.push(codes)]
        if done == piece.frames:
            parts.append(self._decoder.finish())
        before = self._samples
        for part in parts:
            samples = part.cpu()[:, : piece.samples - self._samples]
            if samples.shape[-1]:
                self._file.write(samples)
                self._samples += samples.shape[-1]
        if done == piece.frames:
            self._file.close()
            self.complete = True
        return Previewed(self._id, self._file.seconds) if self._samples > before else None
