"""Every error that songloom raises on purpose.

Messages name the value, what was expected and what to do. Anything else that escapes is a bug.
"""

from __future__ import annotations


class SongloomError(Exception):
    """Root of all expected errors; the command line turns it into one line and exit code 2."""


class RequestError(SongloomError, ValueError):
    """A request's field, or a combination of fields, is invalid.

    Args:
        message: names the value, what was expected and what to do.
        field: that the message is about, and begins with; empty where it is about none.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class AudioError(SongloomError):
    """An audio file cannot be read, or does not hold what the request needs."""


class TooShortError(AudioError):
    """An audio file ends before the part that is wanted of it.

    Args:
        name: of the file, as it is shown.
        seconds: how long it is.
        start: where the wanted part begins, in seconds.
    """

    def __init__(self, name: str, seconds: float, start: float) -> None:
        super().__init__(
            f"{name} is {seconds:.2f} s long: expected it to go on past the start at {start:g} s; "
            "choose an earlier start"
        )
        self.name, self.seconds, self.start = name, seconds, start

    def __reduce__(self) -> tuple[type[TooShortError], tuple[str, float, float]]:
        return type(self), (self.name, self.seconds, self.start)


class DatasetError(SongloomError):
    """Songs, or a data set made of them, cannot be used."""


class TrainingError(SongloomError):
    """A training cannot start, or cannot go on."""


class AlreadyRunningError(TrainingError):
    """Another process runs a training of the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a training of {name!r} is running already; wait for it, or choose another name"
        )
        self.name = name


class ModelError(SongloomError):
    """A model is unknown, cannot be fetched, or its files are broken."""


class BaseChangedError(ModelError):
    """An adapter's base has other weights now than those that the adapter was trained on."""

    def __init__(
        self, message: str, *, base: str = "", expected: str = "", found: str = ""
    ) -> None:
        super().__init__(message)
        self.base = base
        self.expected = expected
        """Fingerprint of the model that the adapter was trained on."""
        self.found = found
        """Fingerprint of the model that its base's name leads to."""


class ModelNeededError(ModelError):
    """A model cannot be removed, since others are of no use without it."""

    def __init__(self, message: str, *, model: str = "", dependents: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.model = model
        self.dependents = dependents
        """Names of those that need it."""


class OutputError(SongloomError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(SongloomError):
    """An optional dependency is needed; the message says how to install it."""


class Cancelled(SongloomError):  # noqa: N818 - a cancellation is not a fault
    """Work was stopped on request."""


class QueueFullError(SongloomError):
    """The server has accepted as many jobs as may wait."""


class DuplicateError(SongloomError):
    """Something of that id or name exists already."""


class BusyError(SongloomError):
    """Something is in use just now, and can't be changed or removed."""


class FetchError(SongloomError):
    """A file can't be fetched from a URL, or may not be."""
