"""URLs of users lead to the public internet, and nowhere else, however they are written."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.errors import FetchError
from songloom.server.files.addresses import (
    FetchRules,
    RefusedError,
    addresses_of,
    destination,
    is_public,
    matches,
    resolve_host,
    show_url,
)

# IANA's registries of special-purpose addresses, and what clouds tell their own machines at.
NOT_PUBLIC_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",
    )
]  # fmt: skip
NOT_PUBLIC_6 = [
    IPv6Network(text)
    for text in (
        "::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
]  # fmt: skip


def inside(network: IPv4Network | IPv6Network) -> st.SearchStrategy[int]:
    return st.integers(int(network.network_address), int(network.broadcast_address))


PRIVATE_4 = st.sampled_from(NOT_PUBLIC_4).flatmap(inside).map(IPv4Address)
PRIVATE_6 = st.sampled_from(NOT_PUBLIC_6).flatmap(inside).map(IPv6Address)


@given(PRIVATE_4)
def test_special_addresses_are_not_public(address: IPv4Address) -> None:
    assert not is_public(address)


@given(PRIVATE_4)
def test_nor_are_they_inside_of_others(address: IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(address)))
    assert not is_public(IPv6Address(int(IPv6Address("2002::")) | int(address) << 80))


@given(PRIVATE_6)
def test_special_addresses_of_ipv6_are_not_public(address: IPv6Address) -> None:
    assert not is_public(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_all_others_are_public(address: IPv4Address) -> None:
    expected = not any(address in network for network in NOT_PUBLIC_4)
    assert is_public(address) is expected
    assert is_public(IPv6Address(f"::ffff:{address}")) is expected
    assert is_public(IPv6Address(f"64:ff9b::{address}")) is expected


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_some_that_are_public(text: str) -> None:
    assert is_public(ip_address(text))


OPEN = FetchRules()


def addresses(url: str, rules: FetchRules, *found: str) -> list[str]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return found

    return asyncio.run(addresses_of(destination(url, rules), rules, resolve))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0177.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::]/",
        "http://0/", "http://localhost/", "http://LOCALHOST./", "http://127。0。0。1/",
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
        "http://[fe80::1%25lo]/",
    ],
)  # fmt: skip
def test_no_way_to_write_this_machine_gets_through(url: str) -> None:
    """Looked up as they really are; what this system does not know leads nowhere either."""
    with pytest.raises(FetchError):
        asyncio.run(addresses_of(destination(url, OPEN), OPEN, resolve_host))


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(RefusedError, match="private_hosts"):
        addresses("http://songs.example/", OPEN, "8.8.8.8", "10.0.0.1")


def test_which_address_it_was_stays_untold() -> None:
    with pytest.raises(RefusedError) as raised:
        addresses("http://songs.example/a?key=hidden", OPEN, "10.11.12.13")
    assert "10.11" not in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_addresses_are_told_once_and_in_their_order() -> None:
    found = addresses("https://songs.example/", OPEN, "8.8.8.8", "2606:4700::1111", "8.8.8.8")
    assert found == ["8.8.8.8", "2606:4700::1111"]


def test_a_host_without_addresses_is_said() -> None:
    with pytest.raises(FetchError, match="no address"):
        addresses("https://songs.example/", OPEN)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://songs.example/a", "scheme 'ftp'"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("gopher://songs.example/", "scheme 'gopher'"),
        ("//songs.example/a", "scheme ''"),
        ("/v1/files/a", "scheme ''"),
        ("", "scheme ''"),
        ("http:///a", "scheme 'http'"),
        ("https://me:hidden@songs.example/", "user name or a password"),
        ("https://hidden@songs.example/", "user name or a password"),
        ("http://[::1", "no URL"),
        ("http://a\x00b/", "no URL"),
        ("http://songs.example:99999/", "no port"),
        ("http://songs.example:0/", "no port"),
        ("http://①②⑦.0.0.1/", "no URL"),
    ],
)
def test_what_is_no_url_of_the_web_is_refused(url: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as raised:
        destination(url, OPEN)
    assert "hidden" not in str(raised.value)


LISTED = FetchRules(hosts=("songs.example", "*.store.example"), private_hosts=("nas.lan",))


@pytest.mark.parametrize(
    "url",
    [
        "https://songs.example/a", "https://SONGS.example.:8443/a", "https://eu.store.example/",
        "http://a.b.store.example/", "http://nas.lan/",
    ],
)  # fmt: skip
def test_listed_hosts_may_be_reached(url: str) -> None:
    destination(url, LISTED)


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/", "https://store.example/", "https://badstore.example/",
        "https://songs.example.evil.example/", "https://eu.songs.example/",
        "https://songs.example\\@evil.example/",
    ],
)  # fmt: skip
def test_others_may_not(url: str) -> None:
    with pytest.raises(RefusedError, match=r"fetch_hosts|user name"):
        destination(url, LISTED)


def test_a_listed_host_is_not_thereby_private() -> None:
    with pytest.raises(RefusedError):
        addresses("https://songs.example/", LISTED, "10.0.0.1")
    assert addresses("http://nas.lan/", LISTED, "10.0.0.1") == ["10.0.0.1"]


def test_a_private_host_may_be_an_address() -> None:
    rules = FetchRules(private_hosts=("127.0.0.1", "[::1]"))
    assert addresses("http://127.0.0.1:9000/", rules, "127.0.0.1") == ["127.0.0.1"]
    assert addresses("http://[::1]:9000/", rules, "::1") == ["::1"]
    with pytest.raises(RefusedError):
        addresses("http://localhost:9000/", rules, "127.0.0.1")


def test_patterns_of_hosts() -> None:
    assert matches("A.Example.", ("a.example",))
    assert not matches("example", ("*.example",))
    assert not matches("a.example", ())


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://a.example/b?key=hidden#hidden", "'https://a.example/b'"),
        ("https://me:hidden@a.example/b@c", "'https://a.example/b@c'"),
        ("https://a.example#hidden?x", "'https://a.example'"),
        ("data:audio/wav;base64,hidden", "a data: URL"),
        ("DATA:,hidden", "a data: URL"),
        ("x" * 1000, repr("x" * 300)),
    ],
)
def test_urls_in_messages(url: str, text: str) -> None:
    assert show_url(url) == text
