"""The work on one song, and the tools that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from songloom.audio.files import Audio
from songloom.checkpoints.model_codec import read_model_codec
from songloom.dataset.labels import Labeller, Labels
from songloom.dataset.tokens import (
    Cancel,
    Record,
    SongTokens,
    Treatment,
    on_disk,
    read_recording,
    read_tokens,
    tokenize,
    write_tokens,
)
from songloom.models.codec import Codec
from songloom.progress import Notice, ProgressEvent
from songloom.request import PrepareRequest

VocalRemover = Callable[[Audio], Iterator[Tensor]]
"""Gives a recording without its vocals, in pieces (C, n) that joined are as long."""


@dataclass(frozen=True)
class Setup:
    """What tools are made of; it goes to other processes."""

    request: PrepareRequest
    model: Path
    """Folder or file of the model whose codec is used."""
    device: str
    treatment: Treatment
    labelled_by: str
    folder: Path
    """The data set's; temporary files go there, too."""


@dataclass(frozen=True)
class Task:
    """One song to prepare."""

    name: str
    source: Path
    target: Path
    """Its token file."""
    only_labels: bool = False
    """Whether the tokens that it holds are as they should be."""


@dataclass(frozen=True)
class Done:
    """A song that is prepared."""

    record: Record
    notices: tuple[str, ...] = ()
    """What people should know about the tools, with the first song that they were made for."""


class Tools:
    """What songs are prepared with, made once in a process and used for many songs."""

    def __init__(self, setup: Setup, labellers: Sequence[Labeller] | None = None) -> None:
        """Read the codec and make the rest; `labellers` replace those that the request asks for.

        Raises:
            ModelError: a model cannot be had.
            MissingExtraError: a labeller or the vocal remover needs what is not installed.
        """
        self._setup = setup
        self._notices: list[str] = []
        model = read_model_codec(setup.model, torch.device(setup.device))
        self._codec: Codec = model.codec
        self._codec.fold_weight_norm()
        self._remover = vocal_remover_for(setup.request)
        self._labellers = self._wanted_labellers() if labellers is None else tuple(labellers)

    def prepare(self, task: Task, cancelled: Cancel) -> Done:
        """Decode a song, label it, remove its vocals if asked to, and write its tokens.

        Raises:
            AudioError: the song is of no use.
            OutputError: the disk is full.
            Cancelled: `cancelled` says so.
        """
        setup, codec = self._setup, self._codec
        audio = read_recording(
            task.source, codec.sample_rate, codec.channels, setup.folder, cancelled
        )
        labels = Labels()
        for labeller in self._labellers:
            labels = labels.overridden_by(labeller(audio))
        if task.only_labels:
            tokens = read_tokens(task.target).copied()
        else:
            tokens = self._tokens(audio, cancelled)
        # Labels that lack a tool's are made again when the songs are prepared again.
        labelled_by = setup.labelled_by + (" (incomplete)" if self._notices else "")
        record = Record(audio.seconds, setup.treatment, labelled_by, labels)
        write_tokens(task.target, tokens, record)
        return Done(record, tuple(self._notices))

    def _tokens(self, audio: Audio, cancelled: Cancel) -> SongTokens:
        setup, codec = self._setup, self._codec
        if self._remover is not None:
            without = on_disk(self._remover(audio), codec.channels, setup.folder, cancelled)
            audio = Audio(without, audio.sample_rate)
        return tokenize(audio, codec, setup.treatment.chroma_bins, setup.folder, cancelled)

    def _wanted_labellers(self) -> tuple[Labeller, ...]:
        if not self._setup.labelled_by:
            return ()
        from songloom.dataset.label import labellers_for

        return tuple(labellers_for(self._setup.request, self._take))

    def _take(self, event: ProgressEvent) -> None:
        if isinstance(event, Notice):
            self._notices.append(event.text)


def vocal_remover_for(request: PrepareRequest) -> VocalRemover | None:
    """What removes vocals, if that is asked for; raises MissingExtraError if it cannot."""
    if not request.drop_vocals:
        return None
    from songloom.audio.vocals import vocal_remover

    return vocal_remover(request.vocal_separator)
