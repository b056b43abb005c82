"""From a song to its tokens and its melody, once and whole, in memory that does not grow with it.

Shapes: C audio channels, N samples, K codebooks, T token frames, F chroma frames.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from songloom.audio.files import Audio, stream_audio
from songloom.audio.stems import harmonic_pieces
from songloom.audio.transforms import convert_stream, to_mono
from songloom.dataset.excerpts import Excerpts, take_excerpts
from songloom.dataset.labels import Labels
from songloom.errors import AudioError, Cancelled, DatasetError, OutputError
from songloom.models.chroma import chroma_classes
from songloom.models.codec import Codec
from songloom.whole_files import replace_file

TOKENS = "tokens"
"""The folder of a data set's token files."""
SHORTEST_SECONDS = 2.0
"""Shortest song, in seconds: anything shorter is a sample or a jingle."""
SILENCE = 1e-3
"""Peak of what counts as silence: -60 dBFS."""
PIECE_SECONDS = 2.0
"""Length of what is encoded at once; what a layer makes of it still fits into caches."""

Cancel = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class SongTokens:
    """The tokens of a song, and its chroma."""

    codes: Tensor
    """int16 (K, T)."""
    chroma: Tensor | None
    """uint8 (F,) loudest pitch class of each chroma frame; None if the model follows no melody."""
    excerpts: Excerpts | None = None
    """Some of what was coded; None in files of versions that stored none."""

    def copy(self) -> SongTokens:
        """The same in memory, which the file can be replaced under."""
        excerpts = self.excerpts
        return SongTokens(
            self.codes.clone(),
            None if self.chroma is None else self.chroma.clone(),
            excerpts and Excerpts(excerpts.starts.clone(), excerpts.samples.clone()),
        )


@dataclass(frozen=True)
class Treatment:
    """All that decides which tokens a song gets."""

    codec: str
    """The codec's fingerprint."""
    chroma_bins: int | None
    vocals: str


@dataclass(frozen=True)
class Record:
    """Metadata of a token file: its song, treatment and labels."""

    seconds: float
    treatment: Treatment
    labelled_by: str
    """The labelers that were used."""
    labels: Labels
    """The labels that they found."""


def read_recording(
    path: Path, sample_rate: int, channels: int, scratch: Path, cancelled: Cancel
) -> Audio:
    """Decode a song of any length to a codec's sample rate (Hz) and channels.

    Its samples are mapped from a temporary file in `scratch`, which vanishes with them.

    Raises:
        AudioError: it cannot be decoded as a whole, or is too short or silent.
        OutputError: there is no room for the temporary file.
        Cancelled: `cancelled` says so.
    """
    peak = 0.0

    def pieces() -> Iterator[Tensor]:
        nonlocal peak
        for piece in convert_stream(stream_audio(path), sample_rate, channels):
            peak = max(peak, float(piece.abs().max()))
            yield piece

    samples = spool_to_disk(pieces(), channels, scratch, cancelled)
    seconds = samples.shape[1] / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise AudioError(
            f"{str(path)!r} is {seconds:.2f} s long: expected a song of at least "
            f"{SHORTEST_SECONDS:g} s; leave it out"
        )
    if peak < SILENCE:
        raise AudioError(
            f"{str(path)!r} is silent (its peak is {peak:.2g} of 1): expected something to hear; "
            "export it again, or leave it out"
        )
    return Audio(samples, sample_rate)


def spool_to_disk(
    pieces: Iterable[Tensor], channels: int, scratch: Path, cancelled: Cancel
) -> Tensor:
    """Join pieces (C, n) to samples (C, N) that are mapped from a file without a name.

    Raises:
        OutputError: there is no room for it.
        Cancelled: `cancelled` says so.
    """
    length = 0
    with tempfile.TemporaryFile(dir=scratch) as file:
        for piece in check_cancelled(pieces, cancelled):
            try:
                file.write(piece.T.contiguous().numpy().data)
            except OSError as error:
                raise _disk_full_error(scratch, error) from error
            length += piece.shape[1]
        try:
            file.flush()
        except OSError as error:
            raise _disk_full_error(scratch, error) from error
        if length == 0:
            return torch.zeros(channels, 0)
        mapped = np.memmap(file, np.float32, "c", shape=(length, channels))
    return torch.from_numpy(mapped).T


def tokenize(
    audio: Audio, codec: Codec, chroma_bins: int | None, scratch: Path, cancelled: Cancel
) -> SongTokens:
    """Code a song at the codec's sample rate and channels; its melody too, for melody models.

    The melody is that of the harmonic part, as it is by default when a model is asked to follow
    one (`audio.stems`).

    Raises:
        OutputError: there is no room for a temporary file.
        Cancelled: `cancelled` says so.
    """
    piece = round(PIECE_SECONDS * codec.sample_rate)
    pieces = check_cancelled(torch.split(audio.samples, piece, dim=-1), cancelled)
    codes = torch.cat([codes.cpu() for codes in codec.encode_stream(pieces)], dim=-1)
    chroma = None
    if chroma_bins is not None:
        melody = (to_mono(piece) for piece in harmonic_pieces(audio))
        wav = spool_to_disk(melody, 1, scratch, cancelled)
        chroma = chroma_classes(wav, audio.sample_rate, chroma_bins)
    excerpts = take_excerpts(audio.samples, codec.hop, codec.sample_rate)
    return SongTokens(codes.to(torch.int16), chroma, excerpts)


def check_cancelled(pieces: Iterable[Tensor], cancelled: Cancel) -> Iterator[Tensor]:
    """Pass pieces on, and raise Cancelled between two of them where that is wished."""
    for piece in pieces:
        if cancelled():
            raise Cancelled("the preparation was stopped; start it again to go on with the rest")
        yield piece


def write_tokens(path: Path, tokens: SongTokens, record: Record) -> None:
    """Write a token file, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {"codes": tokens.codes.contiguous()}
    if tokens.chroma is not None:
        tensors["chroma"] = tokens.chroma
    if tokens.excerpts is not None:
        tensors["excerpts"] = tokens.excerpts.samples
        tensors["excerpt_starts"] = tokens.excerpts.starts
    metadata = {"record": json.dumps(dataclasses.asdict(record), ensure_ascii=False)}
    with replace_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:  # the disk's errors come out in its own words
            raise OSError(str(error)) from error


def read_tokens(path: Path) -> SongTokens:
    """Map a token file into memory.

    Raises:
        DatasetError: it is missing or broken.
    """
    with _open_tokens(path) as file:
        names = file.keys()
        if "codes" not in names:
            raise _broken_file_error(path, "it holds no codes")
        chroma = file.get_tensor("chroma") if "chroma" in names else None
        codes = file.get_tensor("codes")
        excerpts = None
        if {"excerpts", "excerpt_starts"} <= set(names):
            excerpts = Excerpts(file.get_tensor("excerpt_starts"), file.get_tensor("excerpts"))
    if codes.ndim != 2 or codes.dtype != torch.int16:
        raise _broken_file_error(
            path, f"its codes are {codes.dtype} {tuple(codes.shape)}, not int16 (K, T)"
        )
    return SongTokens(codes, chroma, excerpts)


def has_excerpts(path: Path) -> bool:
    """Whether a token file holds excerpts; raises DatasetError where it is missing or broken."""
    with _open_tokens(path) as file:
        return "excerpts" in file.keys()  # noqa: SIM118 - it is no mapping


def read_record(path: Path) -> Record:
    """Read what a token file says about itself.

    Raises:
        DatasetError: it is missing or broken.
    """
    with _open_tokens(path) as file:
        metadata = file.metadata() or {}
    try:
        content = json.loads(metadata["record"])
        labels = content["labels"]
        for name in ("genre", "mood", "instruments"):
            labels[name] = tuple(labels[name])
        return Record(
            content["seconds"],
            Treatment(**content["treatment"]),
            content["labelled_by"],
            Labels(**labels),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _broken_file_error(path, f"it does not say how it was made: {error}") from error


def _open_tokens(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise _broken_file_error(path, str(error)) from error


def _broken_file_error(path: Path, why: str) -> DatasetError:
    return DatasetError(
        f"{path} is not the token file of a song ({why}); delete it and prepare the songs again"
    )


def _disk_full_error(scratch: Path, error: OSError) -> OutputError:
    return OutputError(
        f"'{scratch}' has no space for a decoded song ({error.strerror}): expected about 8 MB a "
        "minute and channel; free some, or choose another output folder"
    )
