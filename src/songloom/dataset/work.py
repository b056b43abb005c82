"""The work on one song, and the tools that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from songloom.audio.files import Audio
from songloom.audio.vocals import VocalRemover, vocal_remover
from songloom.checkpoints.model_codec import read_model_codec
from songloom.dataset.label import label, labellers_for
from songloom.dataset.labels import Labeller
from songloom.dataset.token_store import (
    Cancel,
    Record,
    SongTokens,
    Treatment,
    read_recording,
    read_tokens,
    spool_to_disk,
    tokenize,
    write_tokens,
)
from songloom.models.codec import Codec
from songloom.progress import Notice, ProgressCallback, ProgressEvent
from songloom.training_request import PrepareRequest


@dataclass(frozen=True)
class Setup:
    """Settings that tools are made from; sent to other processes."""

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


class Tools:
    """Tools that prepare songs, made once in a process and used for many songs."""

    def __init__(
        self,
        setup: Setup,
        labellers: Sequence[Labeller] | None = None,
        on_event: ProgressCallback | None = None,
    ) -> None:
        """Read the codec and make the rest.

        Args:
            setup: what to make.
            labellers: those to use in place of the ones that the request asks for.
            on_event: told of downloads, and of what is left out.

        Raises:
            ModelError: a model cannot be had.
            MissingExtraError: a labeller or the vocal remover needs what is not installed.
        """
        self._setup = setup
        self._labelled_by = setup.labelled_by
        model = read_model_codec(setup.model, torch.device(setup.device))
        self._codec: Codec = model.codec
        self._codec.fold_weight_norm()
        self._remover = vocal_remover_for(setup.request)
        if labellers is None:
            labellers = self._wanted_labellers(on_event or (lambda event: None))
        self._labellers = labellers

    def prepare(self, task: Task, cancelled: Cancel) -> Record:
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
        labels = label(audio, self._labellers)
        if task.only_labels:
            tokens = read_tokens(task.target).copy()
        else:
            tokens = self._tokens(audio, cancelled)
        record = Record(audio.seconds, setup.treatment, self._labelled_by, labels)
        write_tokens(task.target, tokens, record)
        return record

    def _tokens(self, audio: Audio, cancelled: Cancel) -> SongTokens:
        setup, codec = self._setup, self._codec
        if self._remover is not None:
            without = spool_to_disk(self._remover(audio), codec.channels, setup.folder, cancelled)
            audio = Audio(without, audio.sample_rate)
        return tokenize(audio, codec, setup.treatment.chroma_bins, setup.folder, cancelled)

    def _wanted_labellers(self, tell: ProgressCallback) -> Sequence[Labeller]:
        def note(event: ProgressEvent) -> None:
            if isinstance(event, Notice):
                # So that what is left out now is made up for when the songs are prepared again.
                self._labelled_by = f"{self._setup.labelled_by}, incomplete"
            tell(event)

        return labellers_for(self._setup.request, note)


def vocal_remover_for(request: PrepareRequest) -> VocalRemover | None:
    """The vocal remover, if one is asked for."""
    return vocal_remover(request.vocal_separator) if request.drop_vocals else None
