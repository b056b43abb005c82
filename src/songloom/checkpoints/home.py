"""Where the user's state lies, and the models that the user has trained.

SONGLOOM_HOME/            by default the platform's folder for data
    models/<name>/        an adapter or a whole model, with `songloom.json` about its training
    runs/<name>/          what that training went on from, its prepared songs and its logs
    unpacked/             packed models, unpacked
    precision/            which precision was measured to be the fastest here
    server/               what `songloom serve` keeps
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from songloom.checkpoints.catalogue import KNOWN
from songloom.checkpoints.configs import read_json
from songloom.errors import ModelError, ModelNeededError

HOME_VARIABLE = "SONGLOOM_HOME"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CODEC_DECODER = "codec_decoder.safetensors"
"""Tuned weights of the codec's decoder, beside an adapter."""
FACTS = "songloom.json"
"""Facts about a model that songloom trained."""
BASE_FINGERPRINT = "base_fingerprint"
"""In the head of an adapter's weights: which model it was trained on, by that model's weights."""

ModelKind = Literal["adapter", "full", "broken"]

_MOST_CHARACTERS, _MOST_BYTES = 100, 200
_RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}
"""Names that Windows gives to devices."""


@dataclass(frozen=True)
class TrainedModel:
    """A model in the user's own folder of models."""

    name: str
    path: Path
    kind: ModelKind
    """`broken` where its folder lacks files."""
    base: str
    """The model that it was trained from; empty if unknown."""


def home() -> Path:
    """The folder of all of the user's state, which need not exist yet."""
    chosen = os.environ.get(HOME_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("songloom", appauthor=False)


def models_folder() -> Path:
    """The folder that has a folder for each trained model."""
    return home() / "models"


def unpacked_folder() -> Path:
    """The folder of packed models that were unpacked, which can be unpacked again."""
    return home() / "unpacked"


def model_folder(name: str) -> Path:
    """Where the trained model called `name` lies, or would lie.

    Raises:
        ModelError: no model may have that name.
    """
    name = unicodedata.normalize("NFC", name)
    problem = _problem(name)
    if problem:
        raise ModelError(
            f"{name!r} can't be the name of a model: {problem}. Letters of any script, digits, "
            "spaces, dots, hyphens and underscores can be in a name; choose another"
        )
    return models_folder() / name


def run_folder(name: str) -> Path:
    """Where the training of the model called `name` keeps its state, songs and logs.

    Raises:
        ModelError: no model may have that name.
    """
    return runs_folder() / model_folder(name).name


def runs_folder() -> Path:
    """The folder that has a folder for each training, of what it goes on from."""
    return home() / "runs"


def trained_model(name: str) -> TrainedModel | None:
    """The trained model called `name`, None where there is none."""
    name = unicodedata.normalize("NFC", name)
    if _problem(name) or not (models_folder() / name).is_dir():
        return None
    return _read_trained_model(models_folder() / name)


def trained_models() -> tuple[TrainedModel, ...]:
    """All trained models, by name.

    Raises:
        ModelError: their folder cannot be read.
    """
    try:
        folders = sorted(path for path in models_folder().iterdir() if path.is_dir())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ModelError(
            f"the folder of your models, {models_folder()}, cannot be read ({error}); "
            f"set {HOME_VARIABLE} to a folder that can"
        ) from error
    # What is being written or removed has a name that begins with a dot.
    return tuple(_read_trained_model(path) for path in folders if not _problem(path.name))


def remove_model(name: str, *, keep_run: bool = False, force: bool = False) -> Path:
    """Remove a trained model for good, with what its training left in `runs`.

    Args:
        name: the model's.
        keep_run: keep that: prepared songs with their edits, logs, an unfinished training.
        force: remove it even where adapters were trained on it, which are of no use without it.

    Returns:
        The folder that it had.

    Raises:
        ModelNeededError: adapters were trained on it, and `force` is off; it names them.
        ModelError: there is no such model, or it cannot be removed.
    """
    model = trained_model(name)
    if model is None:
        names = ", ".join(repr(known.name) for known in trained_models()) or "none"
        raise ModelError(
            f"there is no trained model {name!r} to remove; the trained models are: {names}"
        )
    if not force:
        _refuse_if_needed(model.name)
    # A folder that is half removed must not look like a model.
    doomed = model.path.with_name(f".removed-{secrets.token_hex(4)}")
    try:
        model.path.rename(doomed)
        shutil.rmtree(doomed)
        if not keep_run and run_folder(name).exists():
            shutil.rmtree(run_folder(name))
    except OSError as error:
        raise ModelError(
            f"the model {name!r} cannot be removed ({error}); remove {models_folder()}'s folder "
            "of that name by hand"
        ) from error
    return model.path


def _refuse_if_needed(name: str) -> None:
    from songloom.checkpoints.bases import find_dependents

    dependents = find_dependents(name)
    if dependents:
        named, one = ", ".join(map(repr, dependents)), len(dependents) == 1
        raise ModelNeededError(
            f"the model {name!r} is what {named} {'was' if one else 'were'} trained on, and "
            f"{'needs' if one else 'need'}; remove {'that' if one else 'those'} first, or make "
            f"{'it a whole model' if one else 'whole models of them'} (`songloom merge "
            f"{shlex.quote(dependents[0])} DIR`), or remove {name!r} all the same "
            f"(`songloom models remove {shlex.quote(name)} --force`)",
            model=name,
            dependents=dependents,
        )


def _read_trained_model(folder: Path) -> TrainedModel:
    adapter, whole = folder / ADAPTER_CONFIG, folder / "config.json"
    facts = folder / FACTS
    try:
        base = str(read_json(facts).get("base") or "") if facts.is_file() else ""
        if adapter.is_file() and (folder / ADAPTER_WEIGHTS).is_file():
            base = base or str(read_json(adapter).get("base_model_name_or_path") or "")
            return TrainedModel(folder.name, folder, "adapter", base)
    except ModelError:
        return TrainedModel(folder.name, folder, "broken", "")
    kind: ModelKind = (
        "full" if whole.is_file() and any(folder.glob("model*.safetensors")) else "broken"
    )
    return TrainedModel(folder.name, folder, kind, base)


def _problem(name: str) -> str:
    """Why no model may have a name; empty where it may."""
    wrong = [c for c in name if c not in " ._-" and unicodedata.category(c)[0] not in "LMN"]
    if not name:
        return "it is empty"
    if wrong:
        return f"it has {wrong[0]!r} in it"
    if name[0] in " ." or name[-1] in " .":
        return "it begins or ends with a dot or a space"
    if name[0] == "-":
        return "it begins with a hyphen, as options do"
    if len(name) > _MOST_CHARACTERS or len(name.encode()) > _MOST_BYTES:
        return f"it is longer than {_MOST_CHARACTERS} characters or {_MOST_BYTES} bytes"
    if name.partition(".")[0].casefold() in _RESERVED:
        return "Windows calls a device so"
    if any(name.casefold() == model.name for model in KNOWN):
        return "the model of that name is not yours"
    return ""
