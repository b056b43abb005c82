"""Data sets on the disk: a folder for each, which is whole whenever the server is killed.

<folder>/<id>/dataset.json    all that is remembered, replaced as a whole at each change
<folder>/<id>/files/          songs and descriptions, under names of ours

A file is there before it is named in dataset.json, and goes after it; what is left over by a
server that was killed in between is removed by the next.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from songloom.dataset.files import Skipped, is_audio
from songloom.dataset.sidecars import Sidecars, fold_name, read_json, read_text
from songloom.errors import DatasetError, OutputError
from songloom.jobs.store.records import new_id
from songloom.server.datasets.names import fold_place, training_names
from songloom.server.datasets.records import (
    DatasetSong,
    SongDataset,
    as_values,
    from_json,
    to_json,
)
from songloom.server.files.copies import link
from songloom.whole_files import write_text

RECORD, FILES = "dataset.json", "files"
_UNFINISHED = ".unfinished-"
"""How the names of folders begin that are being made, or removed."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewFile:
    """A file that was uploaded, or came out of an archive."""

    place: str
    path: Path
    """Where it lies; it is moved from there."""
    size: int
    sha256: str


@dataclass(frozen=True)
class Added:
    """Outcome of adding files."""

    songs: tuple[DatasetSong, ...]
    """New ones, and those of which something else is known now."""
    skipped: tuple[Skipped, ...]
    unused: tuple[Skipped, ...] = ()
    """Descriptions of no song that is there yet; they are kept, in case that one comes."""


class DatasetStore:
    """The data sets of a server; from any thread.

    Args:
        folder: made when the first data set is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._datasets = {dataset.id: dataset for dataset in _read_all(folder)}
        self.on_change: list[Callable[[str, SongDataset | DatasetSong], None]] = []
        """Called, in any thread, with a data set's id, and it or one of its songs, as changed."""

    def list_datasets(self) -> list[SongDataset]:
        """All data sets, the newest first."""
        with self._lock:
            return sorted(self._datasets.values(), key=lambda each: each.created_at, reverse=True)

    def get(self, id: str) -> SongDataset | None:
        """A data set, None where there is none of that id."""
        return self._datasets.get(id)

    def files(self, id: str) -> Path:
        """The folder of a data set's files."""
        return self.folder / id / FILES

    def create(self, name: str) -> SongDataset:
        """Make a data set without songs."""
        dataset = SongDataset(new_id(), name)
        new = self.folder / f"{_UNFINISHED}{dataset.id}"
        with _convert_errors(self.folder):
            (new / FILES).mkdir(parents=True)
            write_text(new / RECORD, to_json(dataset))
            new.rename(self.folder / dataset.id)
        with self._lock:
            self._datasets[dataset.id] = dataset
        return dataset

    def rename(self, id: str, name: str) -> SongDataset:
        """Give a data set another name; raises `KeyError` where there is none of that id."""
        with self._lock:
            dataset = self._put(replace(self._datasets[id], name=name))
        self._notify(id, dataset)
        return dataset

    def remove(self, id: str) -> None:
        """Remove a data set and its songs; trainings keep what they have of them."""
        with self._lock:
            folder = self.folder / id
            gone = folder.with_name(f"{_UNFINISHED}{id}")
            with _convert_errors(folder):
                folder.rename(gone)
            dataset = self._datasets.pop(id)
        self._notify(id, replace(dataset, songs=()))
        shutil.rmtree(gone, ignore_errors=True)

    def add(self, id: str, new: Sequence[NewFile]) -> Added:
        """Take files that lie on the same disk; songs with the same bytes are taken once.

        A file in the place of another takes it over; what was changed about that song stays.

        Raises:
            KeyError: there is no such data set.
            OutputError: the disk refuses.
        """
        with self._lock:
            dataset = self._datasets[id]
            songs = {song.file: song for song in dataset.songs}
            descriptions = dict(dataset.descriptions)
            touched: set[str] = set()
            skipped: list[Skipped] = []
            for file in new:
                if is_audio(file.place):
                    place, reason = self._add_song(id, file, songs)
                    if not reason:
                        touched.add(place)
                else:
                    reason = self._add_description(id, file, descriptions)
                if reason:
                    skipped.append(Skipped(file.place, reason))
            files = self.files(id)
            beside = Sidecars({place: files / name for place, name in descriptions.items()}, songs)
            looks = {fold_name(PurePosixPath(place).stem) for place in touched}
            described_anew = descriptions != dataset.descriptions
            for key in list(songs):
                # A new song may have the very name of what another was described by until now.
                if not described_anew and fold_name(PurePosixPath(key).stem) not in looks:
                    continue
                written = as_values(beside.find_written(key))
                if written != songs[key].written:
                    songs[key] = replace(songs[key], written=written)
                    touched.add(key)
            in_order = tuple(sorted(songs.values(), key=lambda song: song.file))
            after = self._put(replace(dataset, songs=in_order, descriptions=descriptions))
            if not dataset.stored <= after.stored:
                self._sweep(id)
            described = [file.place for file in new if file.place in descriptions]
            unused = {each.file: each for each in beside.explain_unused(songs)}
        changed = tuple(song for song in in_order if song.file in touched)
        for song in changed:
            self._notify(id, song)
        return Added(changed, tuple(skipped), tuple(unused[p] for p in described if p in unused))

    def copy(self, id: str, folder: Path) -> None:
        """Make a folder of a data set's songs as they are now, with files that describe them.

        The bytes are shared, and stay there whatever becomes of the data set.

        Raises:
            DatasetError: no song of it is of use.
            OutputError: the disk refuses.
        """
        with self._lock, _convert_errors(folder):
            dataset = self._datasets.get(id)
            songs = [song for song in dataset.songs if song.status != "failed"] if dataset else []
            if not songs:
                named = repr(dataset.name) if dataset else id
                raise DatasetError(f"the data set {named} has no songs to train on; add some to it")
            names = training_names(song.file for song in songs)
            for song in songs:
                target = folder / names[song.file]
                link(self.files(id) / song.stored, target)
                description = json.dumps(song.description(), ensure_ascii=False)
                target.with_name(f"{target.name}.json").write_text(description, encoding="utf-8")

    def change_song(
        self, id: str, song: str, change: Callable[[DatasetSong], DatasetSong], *, keep: bool = True
    ) -> DatasetSong:
        """Change what is known of a song; without `keep`, only until the server ends.

        Raises:
            KeyError: there is no such song, or no more.
            OutputError: the disk refuses.
        """
        with self._lock:
            dataset = self._datasets[id]
            before = dataset.song(song)
            if before is None:
                raise KeyError(song)
            after = change(before)
            songs = tuple(after if each.id == song else each for each in dataset.songs)
            self._put(replace(dataset, songs=songs), keep=keep)
        if after != before:
            self._notify(id, after)
        return after

    def remove_song(self, id: str, song: str) -> None:
        """Remove a song; raises as `change_song`."""
        with self._lock:
            dataset = self._datasets[id]
            left = tuple(each for each in dataset.songs if each.id != song)
            if len(left) == len(dataset.songs):
                raise KeyError(song)
            dataset = self._put(replace(dataset, songs=left))
            self._sweep(id)
        self._notify(id, dataset)

    def _add_song(self, id: str, file: NewFile, songs: dict[str, DatasetSong]) -> tuple[str, str]:
        """Take a song; the place that it has, and why not, if it is not taken."""
        same = next((song for song in songs.values() if song.sha256 == file.sha256), None)
        if same is not None:
            alike = fold_place(same.file) == fold_place(file.place)
            return same.file, "" if alike else f"it is the same recording as {same.file!r}"
        stored = self._store(id, file)
        song = DatasetSong(new_id(), file.place, stored, file.size, file.sha256)
        before = songs.get(file.place)
        song = song if before is None else replace(song, id=before.id, edits=before.edits)
        songs[file.place] = song
        return file.place, ""

    def _add_description(self, id: str, file: NewFile, descriptions: dict[str, str]) -> str:
        place = PurePosixPath(file.place)
        try:
            (read_json if place.suffix.lower() == ".json" else read_text)(file.path, place.name)
        except DatasetError as error:
            return str(error)
        descriptions[file.place] = self._store(id, file)
        return ""

    def _store(self, id: str, file: NewFile) -> str:
        name = new_id() + PurePosixPath(file.place).suffix.lower()
        target = self.files(id) / name
        with _convert_errors(target):
            file.path.replace(target)
        return name

    def _put(self, dataset: SongDataset, *, keep: bool = True) -> SongDataset:
        if keep:
            write_text(self.folder / dataset.id / RECORD, to_json(dataset))
        self._datasets[dataset.id] = dataset
        return dataset

    def _sweep(self, id: str) -> None:
        """Remove files that belong to no song any more."""
        kept = self._datasets[id].stored
        for file in self.files(id).iterdir():
            if file.is_file() and file.name not in kept and not file.name.startswith("."):
                with suppress(OSError):  # the next change, or start, tries again
                    file.unlink()

    def _notify(self, id: str, what: SongDataset | DatasetSong) -> None:
        for told in self.on_change:
            told(id, what)


def _read_all(folder: Path) -> list[SongDataset]:
    """Read all data sets, and remove what a killed server left over."""
    found = []
    for place in folder.iterdir() if folder.is_dir() else ():
        if place.name.startswith(_UNFINISHED):
            shutil.rmtree(place, ignore_errors=True)
        if place.name.startswith(".") or not place.is_dir():
            continue
        try:
            dataset = from_json((place / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            _LOG.warning("the data set in %s can't be read and is left alone: %s", place, error)
        else:
            _remove_unknown(place / FILES, dataset.stored)
            found.append(dataset)
    return found


def _remove_unknown(files: Path, known: frozenset[str]) -> None:
    files.mkdir(exist_ok=True)
    for file in files.iterdir():
        if file.name in known:
            continue
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


@contextmanager
def _convert_errors(path: Path) -> Iterator[None]:
    """Turn what the disk says into an error for people."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} can't be written ({error.strerror}); free some room on the server, and "
            "see who may write there"
        ) from error


def reduce_edits(song: DatasetSong, values: Mapping[str, Any]) -> dict[str, Any]:
    """Edits, without those that say what is known without them."""
    edits = {**song.edits, **values}
    return {name: value for name, value in edits.items() if value != song.original_value(name)}
