"""Where URLs of users may lead: to hosts that are public, or that the settings name.

A name is looked up once, its addresses are checked, and the connection goes to a checked address.
So a name that answers differently the second time (DNS rebinding) leads nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import httpx2

from songloom.errors import FetchError
from songloom.server.files.data_urls import is_data_url

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to addresses; `OSError` where the host is not known."""

_UNICAST = IPv6Network("2000::/3")
"""All that has been given out of IPv6 for use between sites."""
_NOT_PUBLIC_6 = (
    IPv6Network("2001::/32"),  # Teredo and 6to4 carry IPv4 addresses of any kind, and nothing
    IPv6Network("2002::/16"),  # of today needs them
    IPv6Network("3fff::/20"),  # for documents
)
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32_BITS = 0xFFFFFFFF
_NOT_PUBLIC_4 = (
    IPv4Network("168.63.129.16/32"),  # Azure's own service for its machines
    IPv4Network("192.0.0.0/24"),  # protocols' own; Oracle's metadata are at 192.0.0.192
    IPv4Network("192.88.99.0/24"),  # the way into 6to4
)
"""Networks that Python calls global, or did until lately, and are not."""
_PORTS = {"http": 80, "https": 443}


class RefusedError(FetchError):
    """A URL that the rules forbid, whatever is there."""


@dataclass(frozen=True)
class FetchRules:
    """Rules of what may be fetched."""

    hosts: tuple[str, ...] = ()
    """The only ones that are allowed, `*.example.com` for all below; empty for every public one."""
    private_hosts: tuple[str, ...] = ()
    """Hosts that may have private addresses."""
    max_bytes: int = 4_000_000_000
    seconds: float = 300.0
    """For a whole transfer."""


@dataclass(frozen=True)
class Destination:
    """A URL that the rules allow as far as it can be told without looking up its host."""

    url: httpx2.URL
    host: str
    """As in DNS: lower-case ASCII."""
    port: int


def destination(url: str, rules: FetchRules) -> Destination:
    """Read a URL, and see whether the rules allow its host.

    Raises:
        RefusedError: they don't, or it is no URL of the web.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise RefusedError(
            f"{show_url(url)} is no URL; give one that begins with https:// or http://"
        ) from None
    if parsed.scheme not in _PORTS or not parsed.host:
        raise RefusedError(
            f"{show_url(url)} has the scheme {parsed.scheme[:20]!r}, but must begin with https:// "
            "or http://"
        )
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise RefusedError(
            f"{show_url(url)} has no port from 1 to 65535; correct it, or leave it out"
        )
    if parsed.userinfo:
        raise RefusedError(
            f"{show_url(url)} has a user name or a password in it, but must have none; give a "
            "signed URL, or upload the file"
        )
    host = parsed.raw_host.decode("ascii").rstrip(".").lower()
    if rules.hosts and not matches(host, rules.hosts + rules.private_hosts):
        raise RefusedError(
            f"{show_url(url)} is on {host}, but this server fetches from and sends to "
            f"{', '.join(rules.hosts)} only; use one of these, or have fetch_hosts changed"
        )
    return Destination(parsed, host, parsed.port or _PORTS[parsed.scheme])


async def addresses_of(to: Destination, rules: FetchRules, resolve: Resolve) -> list[str]:
    """The addresses to connect to, all of them allowed.

    Raises:
        RefusedError: one of them is private.
        FetchError: the host is not known.
    """
    try:
        found = list(dict.fromkeys(await resolve(to.host, to.port)))
    except (OSError, UnicodeError) as error:
        raise FetchError(
            f"the host of {show_url(to.url)} can't be found ({_reason(error)}); correct its name"
        ) from None
    if not found:
        raise FetchError(f"the host of {show_url(to.url)} has no address; correct its name")
    if not matches(to.host, rules.private_hosts):
        for text in found:
            if not is_public(ip_address(text)):
                # Which address it is stays untold: it would map the inner network for strangers.
                raise RefusedError(
                    f"{show_url(to.url)} leads to an address that is not on the public internet; "
                    "use a public host, upload the file, or have the host added to private_hosts"
                )
    return found


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Addresses of a host, as this machine knows them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: Address) -> bool:
    """Whether an address is one on the public internet, also where it carries another in it."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = IPv4Address(int(address) & _LOW_32_BITS)
        if inner is not None:
            return is_public(inner)
        return address in _UNICAST and address.is_global and not _is_within(address, _NOT_PUBLIC_6)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not _is_within(address, _NOT_PUBLIC_4)
    )


def matches(host: str, patterns: tuple[str, ...]) -> bool:
    """Whether a host is one of these; `*.example.com` is every host below example.com."""
    host = host.rstrip(".").lower().strip("[]")
    for pattern in patterns:
        wanted = pattern.rstrip(".").lower().strip("[]")
        if host == wanted or (wanted.startswith("*.") and host.endswith(wanted[1:])):
            return True
    return False


def is_file_url(text: str) -> bool:
    """Whether a text looks like a URL that a file can come from."""
    try:
        text.encode()
        if is_data_url(text):
            return True
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def show_url(url: str | httpx2.URL) -> str:
    """A URL for messages: without its query or its credentials, which may be secrets."""
    text = str(url)
    if text[:5].lower() == "data:":
        return "a data: URL"
    bare, _, _ = text.partition("#")[0].partition("?")
    scheme, slashes, rest = bare.partition("://")
    place, slash, path = rest.partition("/")
    return repr(f"{scheme}{slashes}{place.rpartition('@')[2]}{slash}{path}"[:300])


def _is_within(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
