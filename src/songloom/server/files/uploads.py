"""Uploaded files: forms of any size, streamed to disk, and the folder where their bytes lie.

The Python client sends `metadata` as a field, the JavaScript one as a part with a file name; some
send no file name, or one of no use. What a file is, is found out by those who read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from songloom.errors import OutputError, RequestError
from songloom.jobs.store.records import StoredFile, new_id
from songloom.server.files.filenames import safe_name
from songloom.server.files.incoming import IncomingFile, open_incoming, remove_unfinished
from songloom.server.http.json_values import DEEPEST, can_be_kept

UNKNOWN_TYPE = "application/octet-stream"
CONTENT = "content"
_FIELDS = frozenset({"metadata", "type", "filename"})
LONGEST_FIELD = 1 << 20
"""Bytes of `metadata`, `type` or `filename`."""
_MOST_PARTS = 100
_ID = re.compile(r"[a-z0-9]{1,64}")
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)


class FileFolder:
    """The bytes of uploaded files, each under its id.

    Args:
        folder: made where it is missing; what an earlier server left unfinished is removed.

    Raises:
        OutputError: it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{str(folder)!r} can't be made ({error.strerror}), but must be a folder that may "
                "be written; give another with --folder"
            ) from error
        remove_unfinished(folder)

    def path(self, id: str) -> Path:
        """Where the bytes of a file lie.

        Raises:
            RequestError: it is no id of a file.
        """
        if not _ID.fullmatch(id):
            raise RequestError(
                f"id is {id!r}, but must be that of a file; list them to see", field="id"
            )
        return self._folder / id

    def remove(self, id: str) -> None:
        """Remove a file's bytes, if they are there.

        Raises:
            OutputError: the disk refuses.
        """
        path = self.path(id)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{str(path)!r} can't be removed ({error.strerror}); see who may write there"
            ) from error

    async def receive(self, content_type: str, body: AsyncIterator[bytes]) -> StoredFile:
        """Take the file of a form (`multipart/form-data`); what the store is to remember.

        Args:
            content_type: the request's header.
            body: the request's, in pieces.

        Raises:
            RequestError: it is no such form, ends early, or has no part `content`.
            OutputError: the disk refuses; nothing is left there.
        """
        form = _Form(content_type)
        id = new_id()
        async with open_incoming(self.path(id)) as file:
            async for piece in body:
                await form.take(piece, file)
            form.end()
            metadata = form.metadata()
        return StoredFile(
            id=id,
            name=safe_name(form.text("filename") or form.content.filename),
            content_type=_plain_type(form.text("type"))
            or _plain_type(form.content.type)
            or UNKNOWN_TYPE,
            size=file.size,
            sha256=file.sha256,
            metadata=metadata,
        )


class _Part:
    """One part of a form: its headers, and the bytes of a short one."""

    def __init__(self) -> None:
        self.name, self.filename, self.type = "", "", ""
        self.data = bytearray()

    def read_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.type = value.decode("latin-1")
        elif name.lower() == b"content-disposition":
            options = parse_options_header(value)[1]
            self.name = options.get(b"name", b"").decode(errors="replace")
            self.filename = options.get(b"filename", b"").decode(errors="replace")


class _Form:
    """A form while it comes: the bytes of `content` go on, the short fields are kept."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise RequestError(
                f"the body is {content_type[:100]!r}, but must be a form (multipart/form-data with "
                "a boundary) with the file as its part `content`; send that"
            )
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise _form_error(str(error)) from None
        self._count = 0
        self._part = _Part()
        self._parts: dict[str, _Part] = {}
        self._header, self._value = b"", b""
        self._waiting: list[bytes] = []
        self._finished = False

    async def take(self, piece: bytes, file: IncomingFile) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _form_error(str(error)) from None
        if self._waiting:
            data, self._waiting = b"".join(self._waiting), []
            await file.write(data)

    def end(self) -> None:
        if not self._finished:
            raise _form_error("it ends in the middle")
        if CONTENT not in self._parts:
            raise RequestError(
                f"{CONTENT} is missing, but must be the file; add it as a part of that name",
                field=CONTENT,
            )

    @property
    def content(self) -> _Part:
        return self._parts[CONTENT]

    def text(self, name: str) -> str:
        part = self._parts.get(name)
        return "" if part is None else part.data.decode(errors="replace").strip()

    def metadata(self) -> dict[str, Any]:
        text = self.text("metadata")
        try:
            found = json.loads(text or "{}", parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not can_be_kept(found):
            raise RequestError(
                f"metadata is {text[:100]!r}, but must be an object in JSON, of whole characters "
                f"and at most {DEEPEST} levels; correct it, or leave it out",
                field="metadata",
            )
        return found

    def _begin(self) -> None:
        self._part = _Part()
        self._count += 1
        if self._count > _MOST_PARTS:
            raise RequestError(
                f"the form has more than {_MOST_PARTS} parts, but needs only {CONTENT}, and may "
                f"have {', '.join(sorted(_FIELDS))}; leave the others out"
            )

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._part.read_header(self._header, self._value)
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        name = self._part.name
        if name in self._parts:
            raise RequestError(f"{name} is given twice; give it once", field=name)
        if name == CONTENT or name in _FIELDS:
            self._parts[name] = self._part

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name == CONTENT:
            self._waiting.append(data[start:end])
        elif self._part.name in _FIELDS:
            if len(self._part.data) + end - start > LONGEST_FIELD:
                raise RequestError(
                    f"{self._part.name} has more than {LONGEST_FIELD} bytes; shorten it",
                    field=self._part.name,
                )
            self._part.data += data[start:end]

    def _finish(self) -> None:
        self._finished = True


def _form_error(fault: str) -> RequestError:
    return RequestError(
        f"the form can't be read ({fault}); send it as the clients do: `curl -F content=@song.mp3`"
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _plain_type(text: str) -> str:
    """A content type without its parameters; empty where it is none."""
    kind = text.partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else ""
