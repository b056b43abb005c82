"""A model's folder as one file: the plain tar that trainings on a server hand out."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tarfile
from pathlib import Path

from songloom.checkpoints.home import unpacked_folder
from songloom.errors import ModelError
from songloom.whole_files import replace_file


def pack(folder: Path, target: Path) -> None:
    """Write a model's folder as a tar, its files at the top, whole or not at all.

    Raises:
        OutputError: it can't be written.
    """
    with replace_file(target) as temporary, tarfile.open(temporary, "w") as archive:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                archive.add(file, arcname=file.name)


def is_packed(path: Path) -> bool:
    """Whether a file is such a tar; the original fine-tuner's `trained_model.tar` is none."""
    try:
        with path.open("rb") as file:
            return file.read(262)[257:] == b"ustar"
    except OSError:
        return False


def unpack_model(path: Path) -> Path:
    """The folder of a packed model, unpacked once into the user's own state.

    Only plain files at the top are taken; a tar has no compression, so it can't grow.

    Raises:
        ModelError: it is damaged, holds something else, or can't be unpacked.
    """
    facts = path.stat()
    key = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    folder = unpacked_folder() / hashlib.sha256(key.encode()).hexdigest()[:32]
    if folder.is_dir():
        os.utime(folder)  # tells when it was used last
        return folder
    new = folder.with_name(f".{secrets.token_hex(8)}")
    try:
        new.mkdir(parents=True)
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isreg() or member.issparse() or not _is_plain(member.name):
                    raise ModelError(
                        f"{path} has {member.name!r} in it, but a packed model has plain files "
                        "only, none of them in a folder; pack the model's own folder"
                    )
                source = archive.extractfile(member)
                assert source is not None  # it is a regular file
                with source, (new / member.name).open("xb") as target:
                    shutil.copyfileobj(source, target)
        new.replace(folder)
    except (tarfile.TarError, EOFError) as error:
        raise ModelError(f"{path} is damaged ({error}); fetch it again") from error
    except OSError as error:
        if folder.is_dir():  # someone else was faster
            return folder
        raise ModelError(
            f"{path} can't be unpacked into {folder.parent} ({error}); free some space there"
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _is_plain(name: str) -> bool:
    """Whether a name is one of a file at the top."""
    return Path(name).name == name and not name.startswith(".")
