"""From the name of a model to a folder on this machine: known names, paths, hub ids, downloads."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from songloom.checkpoints.catalogue import KNOWN, NANO, embedded_folder, known_model
from songloom.checkpoints.home import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CODEC_DECODER,
    trained_model,
    trained_models,
)
from songloom.checkpoints.packed import is_packed, unpack_model
from songloom.errors import ModelError
from songloom.progress import DownloadProgress, ProgressCallback

_SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
)
_DIFFUSION_FILES = ("diffusion/config.json", "diffusion/model.safetensors")
_REFERENCE_FILES = ("state_dict.bin", "compression_state_dict.bin")
_ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
_TIMEOUT = 15.0
"""Seconds to wait for the hub's first answer."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_INSTEAD = (
    "give a folder that holds it, as in `songloom generate --model /path/to/folder`; or use the "
    f"embedded model, `--model {NANO}`"
)


def resolve(name_or_path: str | Path, on_event: ProgressCallback | None = None) -> Path:
    """The folder, or the single file, that a model's name stands for; downloads it if need be.

    Args:
        name_or_path: in this order, whichever there is: a known name (`small`); the name of a
            trained model; a folder or file (`./name` for one that is called like a trained model,
            or a `Path`); a packed model is unpacked; a hub id (`owner/name`).
        on_event: told of the download's progress.

    Raises:
        ModelError: there is no such model, or it can't be fetched.
    """
    name = str(name_or_path)
    if name == NANO:
        return _embedded_model()
    known = known_model(name)
    if known is None and isinstance(name_or_path, str) and (trained := trained_model(name)):
        if trained.kind == "broken":
            raise ModelError(
                f"the trained model {name!r} lacks files in {trained.path}; train it again, or "
                f"remove it (`songloom models remove {name}`)"
            )
        return trained.path
    if known is None and name and (path := _local_path(name)) is not None:
        return unpack_model(path) if is_packed(path) else path
    if known is not None:
        return download(known.source, name, known.licence, on_event)
    if isinstance(name_or_path, str) and _HUB_ID.fullmatch(name) and not name.startswith("."):
        return download(name, name, "stated on its page", on_event)
    raise ModelError(_unknown_model_message(name))


def name_for_good(name_or_path: str | Path) -> str:
    """A reference to the same model from any folder: paths become absolute, names stay."""
    name = str(name_or_path)
    if known_model(name) or (isinstance(name_or_path, str) and trained_model(name)):
        return name
    path = _local_path(name) if name else None
    return name if path is None else str(path.resolve())


def find(name: str) -> Path | None:
    """Where the model that `resolve` would give lies already; None where it would be fetched."""
    known = known_model(name)
    if known is not None:
        return embedded_folder() if known.name == NANO else cached_folder(known.source)
    trained = trained_model(name)
    path = _local_path(name) if trained is None else trained.path
    return cached_folder(name) if path is None and _HUB_ID.fullmatch(name) else path


def _local_path(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):  # too long for a path, or the home of nobody
        return None


def download(
    repo: str,
    name: str,
    licence: str,
    on_event: ProgressCallback | None = None,
    instead: str = _INSTEAD,
) -> Path:
    """The folder of a hub repository, fetched once and then found without the network.

    Only the files that a model needs are fetched, and of several formats of weights only the best.

    Args:
        repo: hub id.
        name: what the user called it.
        licence: of the weights, named in errors.
        on_event: told of the progress, in bytes.
        instead: what else the user can do, named in errors.

    Raises:
        ModelError: it can't be fetched.
    """
    cached = cached_folder(repo)
    if cached is not None:
        return cached
    try:
        return _fetch(repo, name, on_event)
    except ModelError:
        raise
    except Exception as error:
        # Which classes come out of a failed download differs between versions of the hub client
        # and of the HTTP library beneath it; each of them means the same to the user.
        raise ModelError(_unreachable_message(repo, name, licence, error, instead)) from error


def download_file(
    repo: str,
    file: str,
    name: str,
    licence: str,
    on_event: ProgressCallback | None = None,
    instead: str = _INSTEAD,
) -> Path:
    """One file of a hub repository, fetched once; arguments and errors are those of `download`."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repo, file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return _fetch_files(repo, name, (file,), _remote_files(repo), on_event)
    except Exception as error:  # see `download`
        raise ModelError(_unreachable_message(repo, name, licence, error, instead)) from error


def _remote_files(repo: str) -> dict[str, int]:
    """Names and sizes of what a repository holds."""
    from huggingface_hub import HfApi

    # This one call is not repeated by the client when it fails: without a network, the user is told
    # at once.
    info = HfApi().model_info(repo, files_metadata=True, timeout=_TIMEOUT)
    return {file.rfilename: file.size or 0 for file in info.siblings or ()}


def _fetch(repo: str, name: str, on_event: ProgressCallback | None) -> Path:
    remote = _remote_files(repo)
    wanted = files_to_fetch(remote)
    if not wanted:
        raise ModelError(
            f"{repo} holds no model that can be read: neither config.json with safetensors or "
            "pytorch_model.bin, nor state_dict.bin, nor an adapter; choose a MusicGen model"
        )
    return _fetch_files(repo, name, wanted, remote, on_event).parent


def _fetch_files(
    repo: str,
    name: str,
    wanted: tuple[str, ...],
    remote: dict[str, int],
    on_event: ProgressCallback | None,
) -> Path:
    """Where the last of the files lies, once all are there."""
    from huggingface_hub import hf_hub_download

    total, before = sum(remote.get(file, 0) for file in wanted), 0

    def report(bytes_of_file: int, file_size: int) -> None:
        if on_event is not None:
            done = before + min(bytes_of_file, file_size)
            on_event(DownloadProgress(name, done, total))

    path = ""
    for file in wanted:
        size = remote.get(file, 0)
        bar = _progress_bar(functools.partial(report, file_size=size))
        path = hf_hub_download(repo, file, tqdm_class=bar)
        report(size, size)
        before += size
    return Path(path)


def cached_folder(repo: str) -> Path | None:
    """Where a hub repository lies on this machine, if all files that are needed are there."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("config.json", "state_dict.bin", ADAPTER_CONFIG):
        found = try_to_load_from_cache(repo, file)
        if isinstance(found, str) and is_complete(Path(found).parent):
            return Path(found).parent
    return None


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds a whole model: a download may have stopped half-way."""
    wanted = files_to_fetch(path.name for path in folder.iterdir())
    shards = [match for name in wanted if (match := _SHARD.fullmatch(name))]
    indexed = any(name.endswith(".index.json") for name in wanted)
    return bool(wanted) and (not indexed or len(shards) == int(shards[0]["count"] if shards else 1))


_SHARD = re.compile(r"(?P<stem>model|pytorch_model)-\d+-of-(?P<count>\d+)\.(safetensors|bin)")


def files_to_fetch(names: Iterable[str]) -> tuple[str, ...]:
    """The files that a model needs, out of all that a repository or a folder holds."""
    present = set(names)
    if present.issuperset(_ADAPTER_FILES):
        return (*_ADAPTER_FILES, *({CODEC_DECODER} & present))
    small = [name for name in (*_SMALL_FILES, *_DIFFUSION_FILES) if name in present]
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        whole, index = f"{stem}.{suffix}", f"{stem}.{suffix}.index.json"
        if "config.json" in present and whole in present:
            return (*small, whole)
        if "config.json" in present and index in present:
            shards = [
                name
                for name in sorted(present)
                if (match := _SHARD.fullmatch(name))
                and match["stem"] == stem
                and name.endswith(suffix)
            ]
            return (*small, index, *shards)
    if "state_dict.bin" in present:
        return tuple(name for name in _REFERENCE_FILES if name in present)
    return ()


def _progress_bar(report: Callable[[int], None]) -> type:
    """A class in the shape that the hub client wants for its progress bars; it prints nothing."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Bar(tqdm):
        done = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            self.done = int(options.get("initial") or 0)
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.done += int(n or 0)
            report(self.done)
            return None

    return Bar


def _embedded_model() -> Path:
    folder = embedded_folder()
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"the embedded model {NANO!r} is not in this installation ({folder} is missing); "
            "install songloom again, or give another model"
        )
    return folder


def _unknown_model_message(name: str) -> str:
    names = [model.name for model in KNOWN] + [model.name for model in trained_models()]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"unknown model {name!r}: {hint}Expected one of {', '.join(names)}; "
        "the path of a folder or of a trained_model.tar; or a hub id (owner/name)"
    )


def _unreachable_message(repo: str, name: str, licence: str, error: Exception, instead: str) -> str:
    cause = str(error.__cause__ or error).strip().partition("\n")[0].rstrip(".")
    return (
        f"the model {name!r} is not on this machine and {repo} (licence: {licence}) can't be "
        f"fetched: {cause}. Connect to the internet once, so that it is downloaded and kept (and "
        f"unset HF_HUB_OFFLINE if it is set); or {instead}"
    )
