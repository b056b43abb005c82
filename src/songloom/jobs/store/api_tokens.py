"""Tokens that clients show: made once, kept as digests."""

from __future__ import annotations

import hashlib
import secrets

_PREFIX = "sl_"
"""Tells what a token found in a log or a repository belongs to."""
_BYTES = 32
LONGEST_NAME = 100
"""Characters."""


def new_token() -> str:
    """A token of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def hash_token(token: str) -> str:
    """The digest that is stored of a token: 64 hexadecimal digits.

    One round of SHA-256 is enough for a text that nobody chose: there is nothing to guess.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def may_be_name(text: str) -> bool:
    """Whether a token may be called so: a name that can be shown, and told from others."""
    return bool(text.strip()) and text.isprintable() and len(text) <= LONGEST_NAME
