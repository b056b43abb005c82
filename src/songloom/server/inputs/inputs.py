"""From what a client sends to work: checked when a job is accepted, fetched when it is to run.

Checking opens no file and no connection, so a mistake is answered at once; what only the files can
tell (that a URL leads nowhere, or to no audio) makes the job fail.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError

from songloom.checkpoints.catalogue import NANO
from songloom.errors import ModelError, RequestError, SongloomError
from songloom.jobs.messages import Work
from songloom.jobs.model_names import reserve_name
from songloom.jobs.paths import weights_folder
from songloom.jobs.store.records import Job, JobKind
from songloom.jobs.store.store import Store
from songloom.request import GenerationRequest
from songloom.server.datasets.store import DatasetStore
from songloom.server.files.addresses import is_file_url
from songloom.server.files.fetch import Fetcher
from songloom.server.files.given_files import GivenFiles
from songloom.server.files.own_files import OwnFiles
from songloom.server.files.uploads import FileFolder
from songloom.server.files.weights import FINE_TUNED, WeightsFolder
from songloom.server.http.json_values import can_be_kept, make_showable
from songloom.server.http.signing import Signer
from songloom.server.inputs.contract import WireError, select_given, show_value, wire_inputs
from songloom.server.inputs.model_index import ModelIndex
from songloom.settings import ServeSettings
from songloom.training_request import TrainingRequest

DRAWN_BELOW = 2**31
"""Seeds that are drawn are smaller than this: short enough to be typed again."""
DEMUCS = "demucs"
"""The program that removes vocals well."""
_MOST_NAMED = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input."""

    field: str
    message: str
    type: str
    """The kind of mistake, in the words of Cog 0.9: `type_error.integer`, `value_error`, ..."""


class InputError(SongloomError):
    """An input can't be accepted."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems

    def as_validation(self) -> RequestValidationError:
        """The same as a fault of a request's body, which each surface answers in its form."""
        return RequestValidationError(
            [
                {"loc": ("body", "input", problem.field), "msg": problem.message,
                 "type": problem.type}
                for problem in self.problems
            ]
        )  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """Facts about an accepted input."""

    model: str
    """The local model to run, or to train."""
    seed: int | None
    """Of a prediction; drawn where none is given."""
    notes: tuple[str, ...]
    """Lines for the job's log: how something was taken, what was left out."""


@dataclass(frozen=True)
class _Read:
    """An input's values, as far as they are given."""

    values: dict[str, Any]
    notes: tuple[str, ...]


def check_prediction(
    input: Mapping[str, Any] | None,
    settings: ServeSettings,
    models: ModelIndex,
    *,
    model: str | None = None,
) -> Checked:
    """Check a prediction's input, and draw its seed.

    Args:
        input: as it was sent; None counts as no inputs at all.
        settings: of the server.
        models: knows models by their names.
        model: the local model that the version stands for; the input's own `model` and
            `replicate_weights` win.

    Raises:
        InputError: something in it makes no sense.
    """
    read = _read("prediction", input or {})
    values = read.values
    chosen = _model(values.get("model"), "model", models) or model or settings.model
    weights = values.get("replicate_weights", "")
    if weights and not is_file_url(weights):
        chosen = _model(weights, "replicate_weights", models) or chosen
    request = _check_together("prediction", _generation_fields(values))
    count = values.get("count", 1)
    seed = secrets.randbelow(DRAWN_BELOW) if request.seed is None else request.seed
    if seed + count > 2**63:
        raise _refuse(
            "seed",
            f"seed is {seed}, but the last of {count} pieces would have one beyond 64 bits; take a "
            "smaller seed",
        )
    return Checked(chosen, seed, read.notes)


def check_training(
    input: Mapping[str, Any] | None,
    settings: ServeSettings,
    models: ModelIndex,
    *,
    model: str | None = None,
) -> Checked:
    """Check a training's input.

    Args:
        input: as it was sent; None counts as no inputs at all.
        settings: of the server.
        models: knows models by their names.
        model: the local model to train where the input names none; None is the default of
            `model_version`.

    Raises:
        InputError: something in it makes no sense.
    """
    read = _read("training", input or {})
    values = read.values
    if "dataset_path" not in values:
        message = (
            "dataset_path is missing, but must be the URL of songs: a zip, tar, tar.gz or a single "
            "audio file; give it"
        )
        raise InputError((Problem("dataset_path", message, "value_error.missing"),))
    default = next(wire for wire in wire_inputs("training") if wire.name == "model_version")
    version = values.get("model_version") or (None if model else default.spec.default)
    chosen = _model(values.get("model"), "model", models) or (
        _model(version, "model_version", models) if version else model
    )
    training, notes = _training_fields(values)
    _check_together("training", training)
    return Checked(str(chosen), None, (*read.notes, *notes))


def as_taken(kind: JobKind, input: Mapping[str, Any]) -> dict[str, Any]:
    """An accepted input as it was understood: without what is unknown, texts for numbers as such.

    Files stay URLs.
    """
    try:
        return _read(kind, input).values
    except InputError:  # it was accepted by an earlier server, which took other inputs
        return {make_showable(name): make_showable(value) for name, value in input.items()}


class Resolver:
    """Makes work of accepted jobs: fetches what their inputs name, finds models, reserves names.

    Args:
        settings: of the server.
        store: knows uploads and jobs.
        models: knows models by their names.
        fetcher: fetches URLs.
        files: the uploads.
        datasets: songs that were uploaded to train on.
        signer: made the server's own URLs.
        jobs_folder: that has a folder for each job.
    """

    def __init__(
        self,
        settings: ServeSettings,
        store: Store,
        models: ModelIndex,
        fetcher: Fetcher,
        files: FileFolder,
        datasets: DatasetStore,
        signer: Signer,
        jobs_folder: Path,
    ) -> None:
        self._store, self._models = store, models
        own = OwnFiles(settings, store, files, datasets, signer, jobs_folder)
        self._files = GivenFiles(fetcher, own)
        self._weights = WeightsFolder(fetcher, self._files, weights_folder(settings))
        self._naming = asyncio.Lock()

    async def prepare(self, job: Job, folder: Path) -> Work:
        """Make the work of a job.

        Args:
            job: an accepted one.
            folder: the job's own, which exists; what an earlier attempt fetched is taken from it.

        Raises:
            SongloomError: a file can't be fetched, or a model is gone; the job fails with that.
        """
        values = _read(job.kind, job.input).values
        for wire in wire_inputs(job.kind):
            if wire.is_file and wire.name in values:
                file = await self._files.get(values[wire.name], folder, wire.name)
                values[wire.name] = file.path
        if job.kind == "training":
            return await self._prepare_training(job, folder, values)
        return await self._prepare_prediction(job, folder, values)

    async def _prepare_prediction(self, job: Job, folder: Path, values: dict[str, Any]) -> Work:
        request = GenerationRequest(**_generation_fields(values) | {"seed": job.seed})
        model, base = job.model, None
        weights = values.get("replicate_weights", "")
        if weights:
            base = await asyncio.to_thread(_model, values.get("model"), "model", self._models)
        if is_file_url(weights):
            kept = await self._weights.get(weights, folder)
            # Fine-tunes of the original lack codec and text encoder, which a model can lend them;
            # but there were none of the embedded one.
            lends = kept.name == FINE_TUNED and job.model != NANO
            model, base = str(kept), base or (job.model if lends else None)
        return Work(
            job.id,
            job.kind,
            request.to_mapping(),
            model,
            folder,
            base=base,
            count=values.get("count", 1),
            alone=job.attempts > 0,
        )

    async def _prepare_training(self, job: Job, folder: Path, values: dict[str, Any]) -> Work:
        wanted = job.destination.rpartition("/")[2]
        async with self._naming:
            name = await asyncio.to_thread(reserve_name, wanted, job.id, self._given_up)
        fields = _training_fields(values)[0] | {"name": name, "model_version": job.model}
        return Work(job.id, job.kind, TrainingRequest(**fields).to_mapping(), job.model, folder)

    def _given_up(self, id: str) -> bool:
        job = self._store.job(id)
        return job is not None and job.ended


def _read(kind: JobKind, input: Mapping[str, Any]) -> _Read:
    """The values of an input, each by itself; raises `InputError` for all that are wrong."""
    values, notes, problems = {}, [], []
    for name, (wire, value) in select_given(kind, input).items():
        try:
            values[name], note = wire.read(value)
            notes += [note] if note else []
        except WireError as error:
            problems.append(Problem(name, str(error), error.type))
    known = {wire.name for wire in wire_inputs(kind)}
    unknown = [name for name in input if name not in known]
    for name in unknown:
        if not can_be_kept({name: input[name]}):
            message = (
                f"{show_value(name)} is nested too deeply, or holds what is no JSON; leave it out"
            )
            problems.append(Problem(name.encode(errors="replace").decode(), message, "value_error"))
    if problems:
        raise InputError(tuple(problems))
    if unknown:
        named = ", ".join(show_value(name) for name in unknown[:_MOST_NAMED])
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        notes.append(f"left out, as no inputs are called so: {named}{more}")
    return _Read(values, tuple(notes))


def _generation_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    own = ("replicate_weights", "model", "count")
    return {name: value for name, value in values.items() if name not in own}


def _training_fields(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Fields of a training request, with the original's defaults, and notes about them."""
    fields = {name: value for name, value in values.items() if name != "model"}
    notes = []
    if fields.get("lr") == 1 and fields.get("optimizer", "dadam") != "dadam":
        del fields["lr"]
        notes.append(f"lr 1 is taken as {fields['optimizer']}'s own learning rate")
    if "drop_vocals" not in fields:
        able = fields.get("vocal_separator", "auto") != "auto" or shutil.which(DEMUCS) is not None
        fields["drop_vocals"] = able
        if not able:
            notes.append(
                "vocals stay in the songs: Demucs, which would remove them, is not installed on "
                "the server; ask for drop_vocals to have them removed less well"
            )
    return fields, notes


def _check_together(kind: JobKind, fields: dict[str, Any]) -> GenerationRequest | TrainingRequest:
    """A request of values that are fine by themselves; it checks what they mean together.

    In the place of a file there is its input's name: a URL may have secrets in it.
    """
    request = GenerationRequest if kind == "prediction" else TrainingRequest
    files = {
        wire.name: wire.name for wire in wire_inputs(kind) if wire.name in fields if wire.is_file
    }
    try:
        return request(**fields | files)
    except RequestError as error:
        raise _refuse(error.field or "input", str(error)) from None


def _model(reference: str | None, field: str, models: ModelIndex) -> str | None:
    """The local model of a name; None where none is given."""
    if not reference:
        return None
    try:
        version = models.resolve(reference)
    except ModelError as error:
        raise _refuse(field, str(error)) from None
    if version is None:
        raise _refuse(
            field,
            f"{field} is {show_value(reference)}, but must be a model that this server has; "
            "GET /v1/models lists them, and the server's setting `aliases` adds names",
        )
    return version.model


def _refuse(field: str, message: str) -> InputError:
    return InputError((Problem(field, message, "value_error"),))
