"""A table of labels and captions that people wrote: a CSV file with a row for each song."""

from __future__ import annotations

import csv
import difflib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from songloom.dataset.encodings import decode_text
from songloom.dataset.labels import LABEL_NAMES
from songloom.dataset.sidecars import fold_name
from songloom.dataset.values import Written, parse_written
from songloom.errors import DatasetError

FILE = "file"
COLUMNS = (FILE, "caption", *LABEL_NAMES)


def read_table(path: Path, songs: Iterable[str]) -> Mapping[str, Written]:
    """Read labels and captions of songs, by name, from a CSV file.

    Its first row names the columns: `file`, and any of `caption` and the labels. Commas, semicolons
    or tabs may stand between them. `file` is the song's path in the folder or archive, with or
    without extension, or its name alone where no two songs share it. Empty cells say nothing;
    several values in a cell have ";" or "|" between them.

    Args:
        path: the CSV file, in UTF-8 or what Windows writes, with any line ends.
        songs: names of all songs there are.

    Raises:
        DatasetError: a song or a column is unknown, or a value makes no sense.
    """
    rows = _rows(path)
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    _check_header(path, header)
    index = _index(songs)
    table: dict[str, Written] = {}
    for line, cells in rows[1:]:
        where = f"{path.name}, line {line}"
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise DatasetError(
                f"{where} has {len(cells)} cells, but there are {len(header)} columns; put "
                "quotation marks around a cell that holds the sign between cells"
            )
        values = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
        song = _song(values.pop(FILE, ""), index, where)
        table[song] = table.get(song, Written()).with_overrides(parse_written(dict(values), where))
    return table


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Rows with the lines on which they end."""
    try:
        text = decode_text(path.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"{str(path)!r} cannot be opened ({error.strerror}): expected a CSV file of labels; "
            "check the name"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not text (at byte {error.start}): expected a CSV file of labels; "
            "save it again as CSV UTF-8"
        ) from error
    head = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DatasetError(
            f"{path.name}, line {reader.line_num} is not CSV ({error}); correct it"
        ) from error


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected {', '.join(COLUMNS)}"
            raise DatasetError(f"{path.name}, line 1: unknown column {name!r}; {hint}")
        if header.count(name) > 1:
            raise DatasetError(f"{path.name}, line 1: two columns are named {name!r}; leave one")
    if FILE not in header:
        raise DatasetError(
            f"{path.name} has no column 'file', which says which song a row is about; expected a "
            f"first row such as file,caption,bpm: add it"
        )


def _index(songs: Iterable[str]) -> Mapping[str, set[str]]:
    """Songs by all that they may be called."""
    index: dict[str, set[str]] = defaultdict(set)
    for song in songs:
        path = PurePosixPath(song)
        for called in (song, str(path.with_suffix("")), path.name, path.stem):
            index[fold_name(called)].add(song)
    return index


def _song(called: str, index: Mapping[str, set[str]], where: str) -> str:
    key = fold_name(called.strip().replace("\\", "/").removeprefix("./"))
    found = index.get(key, set())
    exact = {song for song in found if fold_name(song) == key}
    found = exact or found
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise DatasetError(
            f"{where}: {called!r} may be any of {', '.join(sorted(found))}; write the whole path"
        )
    close = difflib.get_close_matches(key, index, n=1)
    hint = f"did you mean {min(index[close[0]])!r}?" if close else "correct it, or delete the row"
    raise DatasetError(f"{where}: there is no song {called!r}; {hint}")
