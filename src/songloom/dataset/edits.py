"""Edits that people made in a data set's songs.jsonl, so that preparing again keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from songloom.dataset.labels import LABEL_NAMES
from songloom.dataset.manifest import SONGS, Song, read_songs
from songloom.dataset.token_store import TOKENS

EDITED = "edited"
"""Source of a label that someone changed in songs.jsonl."""


@dataclass(frozen=True)
class Edits:
    """The songs as they stand in songs.jsonl, and as they were before people changed them."""

    now: tuple[Song, ...] = ()
    before: tuple[Song, ...] = ()

    @property
    def deleted(self) -> tuple[Song, ...]:
        """Songs whose lines someone deleted."""
        left = {song.hash for song in self.now}
        return tuple(song for song in self.before if song.hash not in left)

    def apply_to(self, song: Song) -> Song:
        """A song as it was prepared anew, with what someone had changed about it."""
        now, before = self._find_lines(song)
        if now is None or before is None:
            return song
        changed = [
            name for name in LABEL_NAMES if _label_value(now, name) != _label_value(before, name)
        ]
        labels = song.labels
        kept = {name: share for name, share in labels.confidence.items() if name not in changed}
        labels = replace(
            labels,
            **{name: _label_value(now, name) for name in changed},
            confidence=kept,
            sources={**labels.sources, **dict.fromkeys(changed, EDITED)},
        )
        return replace(
            song,
            labels=labels,
            caption=song.caption if now.caption == before.caption else now.caption,
            held_out=song.held_out if now.held_out == before.held_out else now.held_out,
        )

    def _find_lines(self, song: Song) -> tuple[Song | None, Song | None]:
        """The song's lines, or those of the file that it replaces: one exported anew, say."""
        for same in (lambda other: other.hash == song.hash, lambda other: other.file == song.file):
            now, before = _with(self.now, same), _with(self.before, same)
            if now is not None and before is not None:
                return now, before
        return None, None


def read_edits(folder: Path) -> Edits:
    """Compare a data set's lines with those that were written.

    Raises:
        DatasetError: a line makes no sense; nothing is lost by guessing what it meant.
    """
    now, before = folder / SONGS, folder / TOKENS / SONGS
    if not now.is_file() or not before.is_file():
        return Edits()
    return Edits(read_songs(now), read_songs(before))


def _with(songs: Iterable[Song], same: Callable[[Song], bool]) -> Song | None:
    return next((song for song in songs if same(song)), None)


def _label_value(song: Song, name: str) -> Any:
    return getattr(song.labels, name)
