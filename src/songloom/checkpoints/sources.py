"""The files that a model is loaded from, and its fingerprint: which model that is, by content.

A name or a path says where a model lies, not which one lies there: it may have been trained again,
or another folder may be called so. The fingerprint is a SHA-256 over all weights. It is computed
once, and remembered in SONGLOOM_HOME by the files' path, size, time of change and inode.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from songloom.checkpoints.fingerprints import digest_weights
from songloom.checkpoints.home import ADAPTER_CONFIG, CODEC_DECODER, home
from songloom.checkpoints.hub import resolve
from songloom.checkpoints.peft_config import is_adapter, name_base
from songloom.errors import ModelError, OutputError
from songloom.progress import ProgressCallback
from songloom.whole_files import write_text

CACHE = "fingerprints.json"
"""In SONGLOOM_HOME. Removing it costs no more than the time to compute fingerprints again."""
SHOWN_DIGITS = 12
"""Of a fingerprint, in messages."""
_MOST_CACHED = 500
_RECENT_SECONDS = 2.0
"""A file that changed so lately may change again without its time of change showing it."""
_WEIGHTS = (
    *("model*.safetensors", "model.safetensors.index.json", "pytorch_model*.bin"),
    *("pytorch_model.bin.index.json", "adapter_model.safetensors", "adapter_model.bin"),
    *("state_dict.bin", "compression_state_dict.bin", "trained_model.tar"),
)
_SETTINGS = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "adapter_config.json"),
    *("tokenizer*.json", "special_tokens_map.json", "spiece.model", "mbd_*.th", CODEC_DECODER),
)
_BESIDE_A_FILE = ("compression_state_dict.bin",)
_TEXT, _DIFFUSION = "text_encoder", "diffusion"


@dataclass(frozen=True)
class FileIdentity:
    """A file as it was at one moment; an equal one later means that it is unchanged."""

    path: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class ModelSource:
    """The files that a model is loaded from."""

    paths: tuple[Path, ...]
    """A folder or file; before it the adapters that are merged into it, the outermost first. After
    a checkpoint of the reference library, the model that lends it codec and text encoder."""
    files: tuple[tuple[FileIdentity, ...], ...]
    """The files of each, as they were when this was made: before any of them was read."""

    @property
    def base(self) -> ModelSource:
        """The same without the outermost adapter."""
        return ModelSource(self.paths[1:], self.files[1:])

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for files in self.files for file in files)

    def fingerprint(self) -> str:
        """The SHA-256 over all weights, in hexadecimal.

        Raises:
            ModelError: a file cannot be read, or has changed since this was made.
        """
        digest = ""
        for path in reversed(self.paths):
            digest = hashlib.sha256(f"{digest} {_fingerprint_of(path)}".encode()).hexdigest()
        if tuple(map(identify_files, self.paths)) != self.files:
            raise ModelError(
                f"the files in {self.paths[0]} have changed since they were read, so which model "
                "was loaded can't be told any more; load it again"
            )
        return digest


def find_source(
    name_or_path: str | Path,
    base: str | Path | None = None,
    on_event: ProgressCallback | None = None,
) -> ModelSource:
    """Find what a model is loaded from; arguments are those of `load_components`.

    Raises:
        ModelError: the model is unknown or can't be fetched, or an adapter names no base.
    """
    path = resolve(name_or_path, on_event)
    paths = [path]
    while is_adapter(path):
        path = resolve(base or name_base(path), on_event)
        base = None
        if path in paths:
            raise ModelError(
                f"the adapter in {path} names itself as its base; name the model that it was "
                "trained on (base)"
            )
        paths.append(path)
    if base is not None and not (path / "config.json").is_file():
        paths.append(resolve(base, on_event))
    return ModelSource(tuple(paths), tuple(map(identify_files, paths)))


def identify_files(path: Path) -> tuple[FileIdentity, ...]:
    """The identities of all files from which the model in a folder or a file is loaded."""
    files = _files(path, (*_WEIGHTS, *_SETTINGS), (_TEXT, _DIFFUSION))
    return tuple(identity for file in files if (identity := _identify(file)) is not None)


def shorten(fingerprint: str) -> str:
    """The beginning of a fingerprint, for messages."""
    return fingerprint[:SHOWN_DIGITS]


def _fingerprint_of(path: Path) -> str:
    """The SHA-256 over the weights in a folder, or in a file and what belongs to it."""
    patterns = (*_WEIGHTS, ADAPTER_CONFIG) if is_adapter(path) else _WEIGHTS
    files = [_identify(file) for file in _files(path, patterns, (_TEXT,))]
    identity = [[f.path, f.size, f.mtime_ns, f.inode] for f in files if f is not None]
    key, known = str(path.absolute()), _read_cache().get(str(path.absolute()))
    if isinstance(known, dict) and known.get("files") == identity and "sha256" in known:
        return str(known["sha256"])
    digest = digest_weights(path)
    newest = max((f.mtime_ns for f in files if f is not None), default=0)
    if time.time() - newest / 1e9 > _RECENT_SECONDS:
        cache = _read_cache()  # computing took its time, in which others may have written theirs
        cache.pop(key, None)
        kept = dict(list(cache.items())[1 - _MOST_CACHED :])
        _write_cache({**kept, key: {"files": identity, "sha256": digest}})
    return digest


def _files(path: Path, patterns: tuple[str, ...], folders: tuple[str, ...]) -> list[Path]:
    """The files of a model whose names fit, in a fixed order."""
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        found = [path, *(folder / name for name in _BESIDE_A_FILE)]
    else:
        found = _find_matching(folder, patterns)
    for name in folders:
        found += _find_matching(folder / name, (*_WEIGHTS, *_SETTINGS))
    return [file for file in found if file.is_file()]


def _find_matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    return [file for file in files if any(fnmatch(file.name, p) for p in patterns)]


def _identify(file: Path) -> FileIdentity | None:
    try:
        facts = file.stat()
    except OSError:  # it went meanwhile
        return None
    return FileIdentity(str(file.absolute()), facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _read_cache() -> dict[str, Any]:
    try:
        cache = json.loads((home() / CACHE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cache if isinstance(cache, dict) else {}


def _write_cache(cache: dict[str, Any]) -> None:
    with suppress(OSError, OutputError):  # it only saves time
        home().mkdir(parents=True, exist_ok=True)
        write_text(home() / CACHE, json.dumps(cache, indent=1) + "\n")
