"""Text and files inside an HTML page."""

from __future__ import annotations

import base64
import html
import re

_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Any text as HTML, for contents and quoted attributes; what no page can hold becomes "�"."""
    return html.escape(_UNSHOWABLE.sub("\ufffd", text))


def quote_text(text: str) -> str:
    """A person's text as HTML that keeps its own direction of writing to itself."""
    return f'<bdi dir="auto">{escape(text)}</bdi>'


def wrap_scrolling(name: str, content: str) -> str:
    """Markup that may be wider than a screen; `name` says what it is."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}">'
        f"{content}</div>"
    )


def data_url(kind: str, content: bytes) -> str:
    """A file as an address that contains it; `kind` is its media type, such as "image/png"."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
