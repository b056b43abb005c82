"""The base of an adapter: whether it still is the model that the adapter was trained on."""

from __future__ import annotations

import shlex
from pathlib import Path

from songloom.checkpoints.fingerprints import read_head
from songloom.checkpoints.home import (
    ADAPTER_WEIGHTS,
    BASE_FINGERPRINT,
    TrainedModel,
    trained_model,
    trained_models,
)
from songloom.checkpoints.hub import find
from songloom.checkpoints.sources import ModelSource, find_source, shorten
from songloom.errors import BaseChangedError, ModelError
from songloom.progress import Notice, ProgressCallback


def read_base_fingerprint(folder: Path) -> str:
    """Fingerprint of the model that an adapter was trained on; empty where none was recorded."""
    try:
        metadata = read_head(folder / ADAPTER_WEIGHTS).get("__metadata__")
    except ModelError:
        return ""  # reading the weights says what is wrong with them
    return str(metadata.get(BASE_FINGERPRINT, "")) if isinstance(metadata, dict) else ""


def check_base(
    folder: Path,
    base: str,
    source: ModelSource,
    *,
    chosen: bool,
    on_event: ProgressCallback | None = None,
) -> None:
    """Compare a model with the one that an adapter was trained on.

    Args:
        folder: the adapter's.
        base: what the model is called.
        source: the model's files.
        chosen: whether the caller named this base in place of the adapter's own. Another one than
            it was trained on is then used all the same, and a `Notice` says so.
        on_event: told of notices.

    Raises:
        BaseChangedError: it is another one, and `chosen` is off.
        ModelError: a file cannot be read.
    """
    expected = read_base_fingerprint(folder)
    if not expected:
        if on_event is not None and not chosen:
            on_event(
                Notice(
                    f"the adapter in {folder} does not record which weights its base had, so it "
                    f"can't be told whether {base!r} ({source.paths[0]}) is the model that it was "
                    "trained on"
                )
            )
        return
    found = source.fingerprint()
    if found == expected:
        return
    if chosen:
        if on_event is not None:
            on_event(
                Notice(
                    f"{base!r} (weights {shorten(found)}) is not the model that the adapter in "
                    f"{folder} was trained on (weights {shorten(expected)}); it is used as you "
                    "asked, and sounds different"
                )
            )
        return
    anew = f"train {folder.name!r} again"
    all_the_same = f"--weights {shlex.quote(str(folder))} --model {shlex.quote(base)}"
    raise BaseChangedError(
        f"{folder.name!r} was trained on {base!r} when that had the weights {shorten(expected)}, "
        f"but {source.paths[0]} has the weights {shorten(found)} now, with which it would sound "
        f"different; put those weights back, {anew}, or use it with the new ones all the same: "
        f"`songloom generate {all_the_same}`, in Python base={base!r}",
        base=base,
        expected=expected,
        found=found,
    )


def find_dependents(name: str) -> tuple[str, ...]:
    """Names of the trained adapters that are of no use without a trained model.

    Those are its adapters, and theirs. One that was trained on other weights than the model has by
    now does not need it.
    """
    model = trained_model(name)
    if model is None:
        return ()
    found: list[str] = []
    pending = [model.path]
    while pending:
        base_path = pending.pop()
        for other in trained_models():
            if other.kind != "adapter" or other.name in (model.name, *found):
                continue
            if _needs(other, base_path):
                found.append(other.name)
                pending.append(other.path)
    return tuple(sorted(found))


def _needs(adapter: TrainedModel, base_path: Path) -> bool:
    """Whether an adapter was trained on the model in `base_path`."""
    path = find(adapter.base) if adapter.base else None
    if path is None or path.resolve() != base_path.resolve():
        return False
    expected = read_base_fingerprint(adapter.path)
    try:
        return not expected or expected == find_source(base_path).fingerprint()
    except ModelError:
        return True  # which weights these are can't be told, so nothing is risked
