"""Files inside of URLs: `data:audio/wav;base64,...` (RFC 2397), decoded piece by piece."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from songloom.errors import FetchError

PIECE = 1 << 20
"""Characters that are decoded at a time."""
_SPACE = b" \t\r\n\f"
_LONGEST_HEADER = 1000
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_HINT = "give data:<type>;base64,<content>, with the whole content"


@dataclass(frozen=True)
class DataUrl:
    """A `data:` URL whose content is not decoded yet."""

    url: str
    start: int
    """Where its content begins."""
    content_type: str
    """Its own claim of its type; empty where that is none."""
    is_base64: bool

    def pieces(self) -> Iterator[bytes]:
        """The content.

        Raises:
            FetchError: it is no base64.
        """
        return self._from_base64() if self.is_base64 else self._unquote()

    def _unquote(self) -> Iterator[bytes]:
        start = self.start
        while start < len(self.url):
            end = start + PIECE
            # An escape such as %2B must not be cut.
            cut = self.url.rfind("%", max(start + 1, end - 2), end)
            if cut > 0 and end < len(self.url):
                end = cut
            # A lone surrogate is what JSON can hold and no URL should.
            yield unquote_to_bytes(self.url[start:end].encode(errors="replace"))
            start = end

    def _from_base64(self) -> Iterator[bytes]:
        left = b""
        ended = False
        for piece in self._unquote():
            left += piece.translate(None, _SPACE)
            whole = len(left) - len(left) % 4
            if ended and left:
                raise _bad_base64("it goes on after its end")
            ended = left[:whole].endswith(b"=")
            yield _decode_base64(left[:whole])
            left = left[whole:]
        if ended and left:
            raise _bad_base64("it goes on after its end")
        yield _decode_base64(left + b"=" * (-len(left) % 4))  # some leave the padding out


def is_data_url(text: str) -> bool:
    """Whether a text is a URL that holds its file; `urlsplit` would keep it in a cache, whole."""
    return text[:5].lower() == "data:"


def read_data_url(url: str) -> DataUrl:
    """Read what stands before the content.

    Raises:
        FetchError: there is no comma, which separates the two.
    """
    comma = url.find(",", 0, _LONGEST_HEADER)
    if comma < 0:
        raise FetchError(f"a data: URL has no comma before its content; {_HINT}")
    kind, *parameters = (part.strip() for part in url[len("data:") : comma].split(";"))
    return DataUrl(
        url,
        comma + 1,
        kind.lower() if _TYPE.fullmatch(kind) else "",
        any(parameter.lower() == "base64" for parameter in parameters),
    )


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _bad_base64(str(error)) from None


def _bad_base64(reason: str) -> FetchError:
    return FetchError(f"the content of a data: URL is no base64 ({reason}); {_HINT}")
