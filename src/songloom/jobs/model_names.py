"""Reserves the name of a training's model on this machine.

The name that was asked for may be taken, and the same training must find its own again after a
restart. So it is reserved: the run's folder appears with the training's id in it, or not at all.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from songloom.checkpoints.home import model_folder, run_folder, runs_folder, trained_model
from songloom.errors import ModelError, OutputError, TrainingError
from songloom.finetuning.naming import clean_model_name

HOLDER = "job"
"""File in a run's folder with the id of the training that has the name."""
STATE = "state.pt"
"""File in a run's folder that a training goes on from, as `training.state` calls it."""
_SERVER_ID = re.compile(r"[a-z0-9]{26}")


def reserve_name(wanted: str, id: str, given_up: Callable[[str], bool]) -> str:
    """The name of a training's model; the same at every call for the same training.

    Args:
        wanted: the name that is hoped for; empty for none.
        id: of the training.
        given_up: says of another training's id whether it has ended without a model, so that its
            name is free again.

    Raises:
        OutputError: the run's folder can't be written.
        TrainingError: every name is taken.
    """
    names = list(dict.fromkeys(_candidates(wanted, id)))
    for name in names:
        if _holder(run_folder(name)) == id:
            return name
    for name in names:
        if _try_reserve(name, id, given_up):
            return name
    raise TrainingError(
        f"the names {', '.join(map(repr, names))} are taken by other models or trainings; choose "
        "another destination, or remove one (`songloom models remove`)"
    )


def find_run(id: str) -> Path | None:
    """The folder in `runs` of a training, None where it has none."""
    try:
        runs = list(runs_folder().iterdir())
    except OSError:
        return None
    return next((run for run in runs if _holder(run) == id), None)


def _candidates(wanted: str, id: str) -> Iterator[str]:
    """Names that a model may have, the best first."""
    digest = hashlib.sha256(id.encode(errors="surrogatepass")).hexdigest()
    mark = id[:6] if _SERVER_ID.fullmatch(id) else digest[:6]
    plain = clean_model_name(wanted)
    if plain:
        for name in (plain, f"{plain}-{mark}", f"{plain}-{digest[:16]}"):
            try:
                model_folder(name)
            except ModelError:  # such as that of a model that comes with songloom
                continue
            yield name
    yield _own_name(id)


def _own_name(id: str) -> str:
    """The name that no other training may have."""
    digest = hashlib.sha256(id.encode(errors="surrogatepass")).hexdigest()
    return f"training-{id if _SERVER_ID.fullmatch(id) else digest[:26]}"


def _try_reserve(name: str, id: str, given_up: Callable[[str], bool]) -> bool:
    if trained_model(name) is not None:
        return False
    run = run_folder(name)
    holder = _holder(run)
    new = run.with_name(f".{secrets.token_hex(8)}")
    try:
        new.mkdir(parents=True)
        (new / HOLDER).write_text(id, encoding="utf-8", errors="surrogatepass")
        if holder and given_up(holder):
            # What it saved can still be gone on with, under a name that is its own alone.
            resumable = (run / STATE).exists()
            run.replace(run_folder(_own_name(holder)) if resumable else new.with_suffix(".old"))
        try:
            new.rename(run)  # refused where there is a folder with anything in it
        except OSError:
            if run.exists():
                return False
            raise
        return True
    except OSError as error:
        raise OutputError(
            f"{run} can't be written ({error.strerror}); make room there, or set SONGLOOM_HOME to "
            "a folder that may be written"
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(new.with_suffix(".old"), ignore_errors=True)


def _holder(run: Path) -> str:
    """The training that a run's folder belongs to; empty where that is unknown."""
    try:
        return (run / HOLDER).read_text(encoding="utf-8", errors="surrogatepass")
    except OSError:
        return ""
