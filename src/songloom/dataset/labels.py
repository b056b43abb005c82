"""Labels of a song, in words and numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the server reads labels, and never loads what reads audio
    from songloom.audio.files import Audio

FROM_FILE = "file"
"""Source of what a person wrote; it wins over everything else."""
LISTS = ("genre", "mood", "instruments")
"""Labels that may have several values."""


@dataclass(frozen=True)
class Labels:
    """Labels of one song; None, or nothing in a list, is unknown."""

    bpm: float | None = None
    key: str | None = None
    """Tonic and mode: "C minor", "F# major"."""
    dynamics: str | None = None
    """Words for level and range, such as "loud, steady"."""
    voice: str | None = None
    """"vocal" or "instrumental"."""
    genre: tuple[str, ...] = ()
    mood: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    confidence: Mapping[str, float] = field(default_factory=dict)
    """From 0 to 1, by the name of the label."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Who says so, by the name of the label: "analysis", a model's name, or `FROM_FILE`."""

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the labels that are known."""
        return tuple(name for name in LABEL_NAMES if getattr(self, name))

    def drop(self, names: Collection[str]) -> Labels:
        """These labels, with the named ones unknown."""
        nothing: dict[str, Any] = {name: () if name in LISTS else None for name in names}
        return replace(
            self,
            **nothing,
            confidence={n: share for n, share in self.confidence.items() if n not in names},
            sources={n: source for n, source in self.sources.items() if n not in names},
        )

    def with_overrides(self, other: Labels) -> Labels:
        """These labels, with those that `other` knows in their place."""
        kept = set(self.known) - set(other.known)
        confidence = {name: share for name, share in self.confidence.items() if name in kept}
        sources = {name: source for name, source in self.sources.items() if name in kept}
        return replace(
            self,
            **{name: getattr(other, name) for name in other.known},
            confidence={**confidence, **other.confidence},
            sources={**sources, **other.sources},
        )


LABEL_NAMES = tuple(
    item.name for item in fields(Labels) if item.name not in ("confidence", "sources")
)


class Labeller(Protocol):
    """Listens to a song and says what it knows about it."""

    def __call__(self, audio: Audio, /) -> Labels:
        """Return the labels of a recording."""
