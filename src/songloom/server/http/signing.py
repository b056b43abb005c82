"""Signatures: of URLs that work without a token for a while, and of webhooks.

A webhook is signed as Standard Webhooks (https://www.standardwebhooks.com) says, which is what
Replicate's clients verify: HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Mapping
from urllib.parse import unquote, urlencode

from songloom.jobs.store.store import Store

DAY = 86400.0
_HOUR = 3600
_PREFIX = "whsec_"


class Signer:
    """Signs, and recognises what it has signed.

    Args:
        key: of signed URLs.
        webhook_secret: what receivers of webhooks verify with, `whsec_<base64>`.
    """

    def __init__(self, key: str, webhook_secret: str) -> None:
        self._key = key.encode()
        self.webhook_secret = webhook_secret

    @classmethod
    def from_store(cls, store: Store) -> Signer:
        """The signer of a server: its secrets are the store's, and outlive a restart."""
        return cls(store.secret("urls", new_key), store.secret("webhooks", new_webhook_secret))

    def sign(self, path: str, seconds: float = DAY) -> str:
        """A path, and the query that lets anyone GET it for so many seconds.

        The end is put off to the next full hour, so that a job that is read twice names the same
        URLs, and browsers find in their caches what they have.

        Args:
            path: percent-encoded where it needs to be, without a query.
            seconds: how long it is good for, at least.
        """
        expires = str(math.ceil((time.time() + seconds) / _HOUR) * _HOUR)
        signature = self._signature(unquote(path), expires)
        return f"{path}?{urlencode({'expires': expires, 'signature': signature})}"

    def is_valid(self, path: str, query: Mapping[str, str]) -> bool:
        """Whether `sign` made this query for this path, and not too long ago.

        Args:
            path: not percent-encoded, as servers see it.
            query: the parameters of the URL.
        """
        expires = query.get("expires", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            return False
        expected = self._signature(path, expires)
        given = query.get("signature", "")
        return hmac.compare_digest(expected.encode(), given.encode(errors="replace")) and (
            time.time() < int(expires)
        )

    def webhook_headers(self, id: str, body: bytes) -> dict[str, str]:
        """The headers that prove where a webhook comes from.

        Args:
            id: of the message, the same at every try.
            body: as it is sent, to the byte.
        """
        timestamp = str(int(time.time()))
        key = base64.b64decode(self.webhook_secret.removeprefix(_PREFIX))
        digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
        return {
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    def _signature(self, path: str, expires: str) -> str:
        message = f"{expires}\n{path}".encode(errors="surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def new_key() -> str:
    """A key for signed URLs."""
    return secrets.token_hex(32)


def new_webhook_secret() -> str:
    """A secret for webhooks; clients split it at its one underscore, so base64 is the plain one."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()
