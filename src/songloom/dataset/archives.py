"""Archives of songs, unpacked as if they came from an enemy.

Nothing in an archive decides where something is written: each member that is wanted gets a file
with a number for its name, and what the member was called is kept beside it. So no name can lead
out of the folder, be too long for the disk, or differ from another by case only.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from songloom.dataset.encodings import guess_names
from songloom.dataset.files import Skipped, explain_unwanted, is_wanted
from songloom.errors import DatasetError, OutputError


@dataclass(frozen=True)
class Limits:
    """How much may come out of an archive."""

    total_bytes: int = 50_000_000_000
    ratio: float = 200.0
    """Times its own size; sound is not compressed that well, unless it is silence."""
    ratio_from_bytes: int = 1_000_000_000
    """Bytes that may come out whatever the ratio."""
    members: int = 100_000


@dataclass(frozen=True)
class Unpacked:
    """The songs and other files of an archive."""

    files: dict[str, Path]
    """Songs and what describes them, by their names in the archive, with `/` between folders."""
    skipped: tuple[Skipped, ...]
    """Members that are not among them, those excepted that systems leave behind."""


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, a tar or something compressed, told by its first bytes.

    Raises:
        DatasetError: the file cannot be read.
    """
    return _kind(path) is not None


def unpack(path: Path, folder: Path, limits: Limits | None = None) -> Unpacked:
    """Unpack the songs of an archive, and what lies beside them, into an existing folder.

    Args:
        path: a zip, or a tar with or without compression, told by its content.
        folder: where the files go, under names of ours.
        limits: counted while it is unpacked, whatever the archive says of itself.

    Raises:
        DatasetError: it is broken, encrypted, hostile or too large, or holds no files at all.
        OutputError: the folder cannot take the files.
    """
    kind = _kind(path)
    budget = _Budget(path, limits or Limits())
    members = _zip_members(path, budget) if kind == "zip" else _tar_members(path, kind, budget)
    files: dict[str, Path] = {}
    skipped: list[Skipped] = []
    try:
        for number, (parts, content) in enumerate(members):
            name = "/".join(parts)
            if content is None:
                continue
            if not is_wanted(parts):
                if reason := explain_unwanted(parts):
                    skipped.append(Skipped(name, reason))
                continue
            target = folder / f"{number:06}{PurePosixPath(parts[-1]).suffix.lower()}"
            _store(content, target)
            if name in files:  # as in an archive that was added to: the last one counts
                files[name].unlink()
                skipped.append(Skipped(name, "the archive holds another of that name after it"))
            files[name] = target
    except (tarfile.ReadError, EOFError) as error:
        if kind in _MAGIC and not budget.members:
            raise _unusable_archive_error(
                budget, f"compressed by {kind}, but broken or no tar"
            ) from error
        raise _unusable_archive_error(budget, f"broken ({error})") from error
    except RuntimeError as error:  # zipfile's word for passwords and unknown compression
        raise _unusable_archive_error(budget, f"not to be opened ({error})") from error
    except _BROKEN as error:
        raise _unusable_archive_error(budget, f"broken ({error})") from error
    if not budget.members:
        raise DatasetError(f"{path} is an empty archive: expected songs in it; pack it again")
    return Unpacked(files, tuple(skipped))


DRIVE = r"[A-Za-z]:[/\\]"
"""How a path on a drive of Windows begins; "A: Side one.wav" is a title."""
_UTF8_FLAG = 0x800
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    ValueError,
)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _kind(path: Path) -> str | None:
    """ "zip", "tar", "gzip", "bzip2" or "xz"; None for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise DatasetError(
            f"{str(path)!r} cannot be opened ({error.strerror}): expected songs; check the name"
        ) from error
    for kind, magic in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    return "tar" if head[257:262] == b"ustar" or _is_old_tar(head) else None


_DECOMPRESSED: dict[str | None, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}


def _is_old_tar(head: bytes) -> bool:
    """Whether this is the first header of a tar from before 1988, which has no magic bytes."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "replace")
    except tarfile.TarError:
        return False
    return True


class _Budget:
    """Counts what comes out of an archive, and knows at which member."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.members = 0
        self.member = ""
        by_ratio = max(limits.ratio_from_bytes, int(path.stat().st_size * limits.ratio))
        self._left = self._most = min(limits.total_bytes, by_ratio)

    def next_member(self, name: str) -> tuple[str, ...]:
        """Count a member, and give its folders and its name; refuse one that leads elsewhere."""
        self.members += 1
        self.member = name
        if self.members > self.limits.members:
            raise DatasetError(
                f"{self.path} holds more than {self.limits.members} members (at {name!r}): "
                "expected songs; unpack it yourself and name the folder"
            )
        parts = re.split(r"[/\\]", name)
        if ".." in parts or parts[0] == "" or re.match(DRIVE, name) or "\0" in name:
            raise DatasetError(
                f"{self.path} holds a member named {name!r}, which leads out of the archive's "
                "folder: expected relative names; do not trust this archive, or pack it again"
            )
        return tuple(part for part in parts if part not in ("", ".")) or (".",)

    def spend(self, count: int) -> None:
        """Count bytes."""
        self._left -= count
        if self._left < 0:
            raise DatasetError(
                f"{self.path} unpacks to more than {self._most / 1e9:.3g} GB (at {self.member!r}), "
                "which looks like an archive bomb: expected at most "
                f"{self.limits.total_bytes / 1e9:.3g} GB and {self.limits.ratio:g} times its own "
                "size; unpack it yourself and name the folder"
            )

    def refuse(self, kind: str) -> DatasetError:
        """The error for a member that is something else than a file or a folder."""
        return DatasetError(
            f"{self.path} holds {self.member!r}, which is {kind}: expected plain files and "
            "folders; pack it again without, or unpack it yourself and name the folder"
        )


class _Counted:
    """A stream that is counted as it is read, whatever for."""

    def __init__(self, file: _Readable, budget: _Budget) -> None:
        self._file, self._budget = file, budget

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self._budget.spend(len(block))
        return block


def _zip_members(path: Path, budget: _Budget) -> Iterator[tuple[tuple[str, ...], _Readable | None]]:
    """Folders and names, with the contents of files."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        for info, name in zip(infos, _zip_names(infos), strict=True):
            parts = budget.next_member(name)
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise budget.refuse("a link or a device")
            if info.is_dir():
                yield parts, None
                continue
            if not is_wanted(parts):
                yield parts, _UNREAD
                continue
            if info.flag_bits & 1:
                raise _unusable_archive_error(budget, "encrypted")
            with archive.open(info) as content:
                yield parts, _Counted(content, budget)


_UNREAD = io.BytesIO()
"""The content of a member that nobody wants, which is not even decompressed."""


def _zip_names(members: list[zipfile.ZipInfo]) -> list[str]:
    """Names of members; those without the flag of UTF-8 in the encoding that they are in.

    zipfile takes them for cp437. `filename` is cut at a NUL byte, `orig_filename` is not.
    """
    raw = [
        info.orig_filename.encode("cp437")
        for info in members
        if not info.flag_bits & _UTF8_FLAG and not info.orig_filename.isascii()
    ]
    encoding = guess_names(raw)
    return [
        info.orig_filename
        if info.flag_bits & _UTF8_FLAG or info.orig_filename.isascii()
        else _told_name(info) or info.orig_filename.encode("cp437").decode(encoding, "replace")
        for info in members
    ]


def _told_name(info: zipfile.ZipInfo) -> str:
    """The name in Info-ZIP's extra field for UTF-8, which goes beside one in another encoding."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and content[:1] == b"\1" and len(content) > 5:
            raw = info.orig_filename.encode("cp437", "replace")
            if struct.unpack("<I", content[1:5])[0] == zlib.crc32(raw):
                return content[5:].decode("utf-8", "replace")
    return ""


_UNICODE_PATH = 0x7075


class _Member(tarfile.TarInfo):
    """A tar header whose extension does not fill the memory: tarfile reads those at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENSIONS and member.size > 1 << 20:
            raise tarfile.HeaderError(f"a header of {member.size} bytes")
        return member


_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def _tar_members(
    path: Path, kind: str | None, budget: _Budget
) -> Iterator[tuple[tuple[str, ...], _Readable | None]]:
    """Folders and names, with the contents of files, in one pass."""
    opened: Any = _DECOMPRESSED.get(kind, open)(path, "rb")
    with opened:
        stream: Any = _Counted(opened, budget)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            for member in archive:
                parts = budget.next_member(_tar_name(member.name))
                if member.isdir():
                    yield parts, None
                elif member.isreg() and not member.issparse():  # else more is written than read
                    yield parts, archive.extractfile(member)
                else:
                    raise budget.refuse("a link, a device or a sparse file")
        while stream.read(1 << 20):  # only at its end does a compressed file tell if it was whole
            pass


def _tar_name(name: str) -> str:
    """A name as it was meant, where its bytes are no UTF-8."""
    raw = name.encode("utf-8", "surrogateescape")
    return raw.decode(guess_names([raw]), "replace")


def _store(content: _Readable, target: Path) -> None:
    try:
        file = target.open("xb")
    except OSError as error:
        raise _disk_full_error(target, error) from error
    with file:
        for block in iter(lambda: content.read(1 << 20), b""):
            try:
                file.write(block)
            except OSError as error:
                raise _disk_full_error(target, error) from error


def _disk_full_error(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{str(target)!r} cannot be written ({error.strerror}): expected room for what the archive "
        "holds; free some, or choose another output folder"
    )


def _unusable_archive_error(budget: _Budget, reason: str) -> DatasetError:
    at = f" at {budget.member!r}" if budget.member else ""
    return DatasetError(
        f"{budget.path} cannot be unpacked{at}: it is {reason}; expected a zip, tar, tar.gz or tgz "
        "of songs: download or pack it again"
    )
