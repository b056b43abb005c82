"""Files inside of URLs come out as they went in, or are refused."""

import base64
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.errors import FetchError
from songloom.server.files import data_urls
from songloom.server.files.data_urls import read_data_url


def decoded(url: str) -> bytes:
    return b"".join(read_data_url(url).pieces())


@pytest.mark.parametrize(
    ("url", "content", "kind"),
    [
        ("data:audio/wav;base64,AAEC", b"\0\1\2", "audio/wav"),
        ("data:audio/WAV;rate=44100;BASE64,AAEC", b"\0\1\2", "audio/wav"),
        ("data:;base64,AAE=", b"\0\1", ""),
        ("data:;base64,AAE", b"\0\1", ""),  # some leave the padding out
        ("data:;base64,AA%3D%3D", b"\0", ""),
        ("data:;base64,AA\nEC\r\n", b"\0\1\2", ""),
        ("data:;base64,", b"", ""),
        ("data:,a%20b%ff", b"a b\xff", ""),
        ("data:text/plain;charset=utf-8,é", "é".encode(), "text/plain"),
        ("data:,", b"", ""),
        ("data:,a,b", b"a,b", ""),
        ("data:image/../../x;base64,AAEC", b"\0\1\2", ""),
        ("data:,100%", b"100%", ""),
        ("data:,\ud800", b"?", ""),
    ],
)
def test_what_is_in_them(url: str, content: bytes, kind: str) -> None:
    assert decoded(url) == content
    assert read_data_url(url).content_type == kind


@pytest.mark.parametrize(
    "content",
    [
        "AA*C",
        "A",
        "AAECA",
        "AA==AAEC",
        "AA=A",
        "=AAA",
        "é",
        "\ud800AAA",
        "A" * 9,
    ],
)
def test_what_is_no_base64_is_refused(content: str) -> None:
    with pytest.raises(FetchError, match="no base64"):
        decoded(f"data:audio/wav;base64,{content}")


@pytest.mark.parametrize("url", ["data:", "data:audio/wav;base64", "data:" + "x" * 5000 + ",a"])
def test_a_url_without_a_content_is_refused(url: str) -> None:
    with pytest.raises(FetchError, match="comma"):
        decoded(url)


def test_the_content_is_not_in_the_message() -> None:
    with pytest.raises(FetchError) as raised:
        decoded("data:;base64,hidden*hidden")
    assert "hidden" not in str(raised.value)


@given(
    content=st.binary(max_size=80),
    piece=st.integers(4, 40),
    broken_every=st.integers(1, 20),
)
def test_bytes_come_out_as_they_went_in(content: bytes, piece: int, broken_every: int) -> None:
    text = base64.b64encode(content).decode()
    lines = "\n".join(text[at : at + broken_every] for at in range(0, len(text), broken_every))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_urls, "PIECE", piece)
        assert decoded(f"data:a/b;base64,{text}") == content
        assert decoded(f"data:a/b;base64,{quote(text, safe='')}") == content
        assert decoded(f"data:a/b;base64,{lines}") == content
        assert decoded(f"data:a/b,{quote_from_bytes(content)}") == content


def test_a_large_one_comes_in_pieces() -> None:
    content = bytes(range(256)) * 20_000
    pieces = list(read_data_url(f"data:;base64,{base64.b64encode(content).decode()}").pieces())
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= data_urls.PIECE
