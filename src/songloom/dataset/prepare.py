"""From songs to a data set: find them, prepare what is missing, write what people can edit."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from songloom.audio.files import read_seconds
from songloom.audio.vocals import resolve_separator
from songloom.checkpoints.components import Components
from songloom.checkpoints.model_codec import ModelCodec, model_path, read_model_codec
from songloom.dataset.edits import Edits, read_edits
from songloom.dataset.files import Skipped, is_audio
from songloom.dataset.ingest import UNPACKED, SongFile, Songs, open_songs
from songloom.dataset.label import labellers_for
from songloom.dataset.label_table import read_table
from songloom.dataset.labels import Labeller
from songloom.dataset.manifest import (
    HASH_DIGITS,
    SONGS,
    Dataset,
    DatasetInfo,
    Song,
    is_dataset,
    read_dataset,
    tokens_path,
    write_dataset,
    write_info,
)
from songloom.dataset.sidecars import Sidecars
from songloom.dataset.token_store import (
    TOKENS,
    Cancel,
    Record,
    Treatment,
    has_excerpts,
    read_record,
)
from songloom.dataset.values import Written
from songloom.dataset.work import Setup, Task, Tools
from songloom.dataset.workers import Outcome, prepare_apart, prepare_here
from songloom.errors import AudioError, DatasetError, OutputError
from songloom.progress import Notice, PrepareProgress, ProgressCallback
from songloom.training_request import PrepareRequest

FEWEST_TO_HOLD_OUT_OF = 4
"""Of fewer songs each is worth more in training than as a measure."""
MOST_PROCESSES = 16
"""Each takes some 500 MB and a share of the disk's speed."""

LOCK = ".lock"


@dataclass(frozen=True)
class Prepared:
    """The result of a preparation."""

    dataset: Dataset
    skipped: tuple[Skipped, ...]
    """Files that are not in the data set, and why."""
    coded: int
    """Songs that were coded or labelled now; the others were prepared before."""
    seconds: float
    """Time that it took."""


def prepare(
    request: PrepareRequest,
    folder: Path,
    *,
    on_event: ProgressCallback | None = None,
    cancelled: Cancel | None = None,
    device: str | None = None,
    labellers: Sequence[Labeller] | None = None,
) -> Prepared:
    """Make a data set of songs, or bring one up to date.

    Results that exist already are not made again, so a preparation that was stopped, or killed,
    resumes; and what people changed in `songs.jsonl` (captions, labels, `held_out`, deleted
    lines) stays as they wrote it.

    Args:
        request: the songs, and how they are treated.
        folder: where the data set goes; it is made, or holds an older state of it.
        on_event: told of the progress.
        cancelled: asked often; once it says True, `Cancelled` is raised.
        device: where songs are coded: "cpu", "cuda", ...; None is CUDA where there is one.
        labellers: those to use in place of the ones that the request asks for, in this process.

    Raises:
        DatasetError: there is no song of use, or a file of labels or captions makes no sense.
        OutputError: the folder holds something else, may not be written, or the disk is full.
        ModelError: the model cannot be had.
        MissingExtraError: a labeller or the vocal remover needs what is not installed.
        Cancelled: see `cancelled`.
    """
    started = time.monotonic()
    tell = on_event or (lambda event: None)
    stopped = cancelled or (lambda: False)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if is_dataset(request.dataset_path):
        raise DatasetError(
            f"{request.dataset_path} is a data set already: expected songs; train on it as it is, "
            "or name the folder of its songs"
        )
    request = _with_separator_named(request, tell)
    path = model_path(request.model_version, on_event)
    info = _info(request, read_model_codec(path, torch.device("cpu"), on_event))
    setup = Setup(request, path, device, _treatment(info), _describe_labelers(request), folder)
    with _lock_folder(folder, info), open_songs(request.dataset_path, folder) as songs:
        edits = read_edits(folder)
        written, skipped = _read_written(request, songs, edits)
        progress = _Progress(setup, list(written), tell)
        for task, outcome in _outcomes(setup, progress.tasks, labellers, tell, stopped):
            progress.take(task, outcome)
        skipped += progress.skipped
        unedited = _apply_written(request, written, progress.records)
        if not unedited:
            raise _empty_error(request.dataset_path, skipped)
        edited = tuple(edits.apply_to(song) for song in unedited)
        write_dataset(Dataset(folder, info, edited), (*unedited, *edits.deleted))
    skipped = [*songs.skipped, *skipped]
    return Prepared(
        dataset=read_dataset(folder),
        skipped=tuple(each for each in skipped if not _is_table(each.file, request)),
        coded=len(progress.tasks) - len(progress.skipped),
        seconds=time.monotonic() - started,
    )


def check_fits(dataset: Dataset, components: Components) -> None:
    """Raise DatasetError unless the data set's tokens are ones that a model understands."""
    info, name = dataset.info, components.info.name
    if info.codec != components.codec.fingerprint():
        raise DatasetError(
            f"{dataset.folder} was prepared for {info.model_version!r}, whose codec differs from "
            f"that of {name!r}; prepare the songs again with --model {name}"
        )
    bins = components.lm.config.chroma_bins if components.info.melody else None
    if bins is not None and info.chroma_bins != bins:
        raise DatasetError(
            f"{dataset.folder} was prepared for {info.model_version!r} and has no melodies, which "
            f"{name!r} learns to follow; prepare the songs again with --model {name}"
        )


class _Progress:
    """Progress of songs that are being prepared."""

    def __init__(self, setup: Setup, songs: Sequence[SongFile], tell: ProgressCallback) -> None:
        """See what is there already, and make tasks of the rest."""
        self.records: dict[str, Record] = {}
        self.skipped: list[Skipped] = []
        self.tasks: list[Task] = []
        self._tell, self._count = tell, len(songs)
        for song in songs:
            target = tokens_path(setup.folder, song.hash[:HASH_DIGITS])
            record = _record(target)
            coded = (
                record is not None
                and record.treatment == setup.treatment
                and has_excerpts(target)  # earlier versions stored none
            )
            if record is not None and coded and record.labelled_by == setup.labelled_by:
                self.records[song.name] = record
            else:
                self.tasks.append(Task(song.name, song.path, target, only_labels=coded))
        # The largest first: at the end no core waits long for another.
        self.tasks.sort(key=lambda task: -task.source.stat().st_size)
        self._seconds = {task.name: _seconds(task.source) for task in self.tasks}
        self._report("")

    def take(self, task: Task, outcome: Record | AudioError) -> None:
        """Take what became of a song, and tell."""
        if isinstance(outcome, AudioError):
            reason = str(outcome).replace(repr(str(task.source)), "it")
            self.skipped.append(Skipped(task.name, reason))
            self._seconds[task.name] = 0.0
        else:
            self.records[task.name] = outcome
            del self._seconds[task.name]
        self._report(task.name)

    def _report(self, song: str) -> None:
        done = sum(record.seconds for record in self.records.values())
        known = [seconds for seconds in self._seconds.values() if seconds is not None]
        self._tell(
            PrepareProgress(
                songs_done=len(self.records) + len(self.skipped),
                songs_total=self._count,
                seconds_done=done,
                seconds_total=done + sum(known) if len(known) == len(self._seconds) else None,
                song=song,
            )
        )


def _outcomes(
    setup: Setup,
    tasks: Sequence[Task],
    labellers: Sequence[Labeller] | None,
    tell: ProgressCallback,
    cancelled: Cancel,
) -> Iterator[Outcome]:
    """Do the tasks: in processes of their own where several songs share the processor's cores."""
    if not tasks:
        return iter(())
    processes = setup.request.processes or min(os.cpu_count() or 1, MOST_PROCESSES)
    alone = min(processes, len(tasks)) == 1 or setup.device != "cpu"
    if alone or labellers is not None:
        return prepare_here(Tools(setup, labellers, tell), tasks, cancelled)
    labellers_for(setup.request, tell)  # once: what they need is fetched, what is missing is told
    return prepare_apart(setup, tasks, processes, cancelled)


def _read_written(
    request: PrepareRequest, songs: Songs, edits: Edits
) -> tuple[dict[SongFile, Written], list[Skipped]]:
    """The songs to be prepared, with what people wrote about them; and those that are not."""
    names = [name for name in songs.files if is_audio(name)] + [song.name for song in songs.found]
    table = {} if request.labels is None else read_table(request.labels, dict.fromkeys(names))
    common = Written(request.one_same_description)
    sidecars = Sidecars(songs.files, names)
    written: dict[SongFile, Written] = {}
    skipped = []
    for song in songs.found:
        if song.hash[:HASH_DIGITS] in {each.hash for each in edits.deleted}:
            reason = f"its line in {SONGS} was deleted; copy it back from {TOKENS}/{SONGS}"
            skipped.append(Skipped(song.name, reason))
            continue
        try:
            beside = sidecars.find_written(song.name)
        except DatasetError as error:
            skipped.append(Skipped(song.name, str(error)))
            continue
        of_table = table.get(song.name, Written())
        written[song] = common.with_overrides(beside).with_overrides(of_table)
    unused = sidecars.explain_unused(names) if songs.whole else []
    return written, [*skipped, *unused]


def _is_table(file: str, request: PrepareRequest) -> bool:
    """Whether a file among the songs is the table of labels, which is used."""
    return request.labels is not None and (
        (request.dataset_path / file).absolute() == request.labels.absolute()
    )


def _apply_written(
    request: PrepareRequest,
    written: Mapping[SongFile, Written],
    records: Mapping[str, Record],
) -> tuple[Song, ...]:
    """The lines of songs.jsonl, before what people changed in them."""
    songs = [
        Song(
            file=song.name,
            hash=song.hash[:HASH_DIGITS],
            seconds=records[song.name].seconds,
            caption=said.caption,
            labels=said.apply_to(records[song.name].labels),
        )
        for song, said in written.items()
        if song.name in records
    ]
    held_out = choose_held_out([song.hash for song in songs], request.held_out)
    return tuple(replace(song, held_out=song.hash in held_out) for song in songs)


def choose_held_out(hashes: Sequence[str], share: float) -> frozenset[str]:
    """The songs that are kept from training, at least one of four; by hash, so always the same."""
    if len(hashes) < FEWEST_TO_HOLD_OUT_OF or share == 0:
        return frozenset()
    return frozenset(sorted(hashes)[: max(1, round(share * len(hashes)))])


def _record(path: Path) -> Record | None:
    try:
        return read_record(path)
    except DatasetError:  # missing, or broken by something else than us: it is made again
        return None


def _seconds(path: Path) -> float | None:
    try:
        return read_seconds(path)
    except AudioError:  # it will be skipped
        return 0.0


def _info(request: PrepareRequest, model: ModelCodec) -> DatasetInfo:
    codec = model.codec
    return DatasetInfo(
        model_version=request.model_version,
        codec=codec.fingerprint(),
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        frame_rate=codec.frame_rate,
        codebooks=codec.num_codebooks,
        codebook_size=codec.codebook_size,
        chroma_bins=model.chroma_bins,
        vocals=f"removed by {request.vocal_separator}" if request.drop_vocals else "kept",
    )


def _treatment(info: DatasetInfo) -> Treatment:
    return Treatment(info.codec, info.chroma_bins, info.vocals)


def _describe_labelers(request: PrepareRequest) -> str:
    parts = ["analysis"] if request.auto_labeling else []
    return " and ".join(parts if request.tagger == "none" else [*parts, request.tagger])


def _with_separator_named(request: PrepareRequest, tell: ProgressCallback) -> PrepareRequest:
    """The request with "auto" replaced by what it means here."""
    if not request.drop_vocals or request.vocal_separator != "auto":
        return request
    chosen = resolve_separator(request.vocal_separator)
    tell(Notice(f"vocals are removed by {chosen}"))
    return replace(request, vocal_separator=chosen)


@contextmanager
def _lock_folder(folder: Path, info: DatasetInfo) -> Iterator[None]:
    """Hold a data set's folder, which is made if need be, against other preparations."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = {path.name for path in folder.iterdir()} - {TOKENS, LOCK}
        if others and not is_dataset(folder):
            raise OutputError(
                f"'{folder}' holds something else ({min(others)!r}): expected a new folder, an "
                "empty one, or a data set; choose another"
            )
        lock.acquire(timeout=0)
        (folder / TOKENS).mkdir(exist_ok=True)
        for left in folder.glob(f"{UNPACKED}*"):
            shutil.rmtree(left, ignore_errors=True)  # by a preparation that was killed
    except Timeout:
        raise OutputError(
            f"'{folder}' is being prepared already, by another process; wait for it, or choose "
            "another folder"
        ) from None
    except OSError as error:
        raise OutputError(
            f"'{folder}' cannot be written ({error.strerror}): expected a writable folder; "
            "choose another"
        ) from error
    try:
        if not is_dataset(folder):
            write_info(folder, info)
        yield
    finally:
        lock.release()


def _empty_error(path: Path, skipped: Sequence[Skipped]) -> DatasetError:
    songs_first = sorted(skipped, key=lambda each: not is_audio(each.file))
    reasons = "; ".join(f"{each.file!r}: {each.reason}" for each in songs_first[:3])
    return DatasetError(
        f"{path} holds no song that can be used: expected at least one; correct them ({reasons})"
    )
