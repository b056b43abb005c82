"""Fetching from real servers on this machine, which behave as badly as servers can."""

import asyncio
import errno
import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from songloom.errors import FetchError, OutputError
from songloom.server.files import fetch as fetch_module
from songloom.server.files.addresses import FetchRules, RefusedError
from songloom.server.files.fetch import Fetched, Fetcher
from songloom.server.files.incoming import IncomingFile
from tests.server.loopback import HOST, Answer, Server, Visit

SONG = os.urandom(200_000)


class Names:
    """A resolver that knows some names and counts who asks."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): value.split() for name, value in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError(errno.ENOENT, "Name or service not known")
        return self.known[host]


NAMES = Names(songs_example=HOST, other_example=HOST)
TRUSTED = FetchRules(private_hosts=("songs.example", HOST), max_bytes=1_000_000, seconds=5)


def fetched(
    folder: Path,
    answer: Answer,
    url: str = "http://songs.example:{port}/a/song.wav?key=hidden",
    rules: FetchRules = TRUSTED,
    names: Names = NAMES,
) -> tuple[Fetched, Server]:
    """Fetch from a server that answers so."""
    server = Server(answer)
    return asyncio.run(_fetch(folder, server, url, rules, names)), server


def failed(
    error: type[Exception],
    match: str,
    folder: Path,
    answer: Answer,
    url: str = "http://songs.example:{port}/a/song.wav?key=hidden",
    rules: FetchRules = TRUSTED,
    names: Names = NAMES,
) -> Server:
    """Fetch in vain from a server that answers so; no secret is told, and no file is left."""
    server = Server(answer)
    with pytest.raises(error, match=match) as raised:
        asyncio.run(_fetch(folder, server, url, rules, names))
    assert "hidden" not in str(raised.value)
    assert list((folder / "inputs").iterdir()) == []
    return server


async def _fetch(
    folder: Path, server: Server, url: str, rules: FetchRules, names: Names
) -> Fetched:
    async with server.listening():
        address = url.format(port=server.port)
        return await Fetcher(rules, names).fetch(address, folder / "inputs" / "song")


async def song(visit: Visit) -> None:
    await visit.answer(SONG, content_type="audio/WAV; rate=44100")


def test_a_file_is_fetched(tmp_path: Path) -> None:
    file, server = fetched(tmp_path, song)
    assert file.path.read_bytes() == SONG
    assert (file.content_type, file.filename) == ("audio/wav", "song.wav")
    (visit,) = server.visits
    assert visit.path == "/a/song.wav?key=hidden"
    assert visit.headers["host"] == f"songs.example:{server.port}"
    assert visit.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie", "referer"} & visit.headers.keys()


def test_a_body_without_a_length_is_fetched(tmp_path: Path) -> None:
    async def stream(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (SONG[:1000], SONG[1000:]):
            await visit.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await visit.send(b"0\r\n\r\n")

    assert fetched(tmp_path, stream)[0].path.read_bytes() == SONG


@pytest.mark.parametrize(
    ("header", "url", "name"),
    [
        ('attachment; filename="take 1.flac"', "/x.wav", "take 1.flac"),
        ("attachment; filename*=UTF-8''fr%C3%BCh.mp3", "/x.wav", "früh.mp3"),
        ('attachment; filename="../../etc/passwd"', "/x.wav", "passwd"),
        ("attachment", "/x/fr%C3%BCh%2f..%2fb.mp3", "b.mp3"),
        ("nonsense;;;=", "/x.wav?a=b.mp3", "x.wav"),
        ("", "/", "file"),
    ],
)
def test_what_a_file_is_called(tmp_path: Path, header: str, url: str, name: str) -> None:
    async def named(visit: Visit) -> None:
        await visit.answer(b"abc", content_disposition=header)

    file, _ = fetched(tmp_path, named, "http://songs.example:{port}" + url)
    assert file.filename == name


# Where it may lead


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example:{port}/x?hidden",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://me:hidden@songs.example:{port}/",
    ],
)
def test_a_redirect_to_where_nothing_may_be_fetched_is_not_followed(
    tmp_path: Path, url: str
) -> None:
    names = Names(
        songs_example=HOST, other_example=HOST, localhost=HOST,
        **{"::1": "::1", "169.254.169.254": "169.254.169.254"},
    )  # fmt: skip

    async def lead(visit: Visit) -> None:
        if visit.headers["host"].startswith("songs.example") and len(visit.path) > 1:
            await visit.redirect(url.format(port=visit.headers["host"].partition(":")[2]))
        else:
            await visit.answer(SONG)

    server = failed(
        RefusedError,
        "public internet|scheme|password",
        tmp_path,
        lead,
        "http://songs.example:{port}/start",
        names=names,
    )
    assert len(server.visits) == 1


@pytest.mark.parametrize("place", ["/b.wav", "b.wav", "//songs.example:{port}/b.wav"])
def test_a_redirect_is_followed(tmp_path: Path, place: str) -> None:
    async def lead(visit: Visit) -> None:
        if visit.path == "/b.wav":
            await song(visit)
        else:
            await visit.redirect(place.format(port=visit.headers["host"].partition(":")[2]))

    file, server = fetched(tmp_path, lead, "http://songs.example:{port}/a.mp3")
    assert file.path.read_bytes() == SONG
    assert file.filename == "b.wav"
    assert len(server.visits) == 2


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    server = failed(
        FetchError,
        "redirected more than 5 times",
        tmp_path,
        lambda visit: visit.redirect(visit.path),
    )
    assert len(server.visits) == 6


def test_a_redirect_to_what_is_no_url_is_said(tmp_path: Path) -> None:
    failed(FetchError, "no URL", tmp_path, lambda visit: visit.redirect("http://[::1"))


def test_a_private_host_is_not_even_connected_to(tmp_path: Path) -> None:
    server = failed(
        RefusedError, "not on the public internet", tmp_path, song, rules=FetchRules(seconds=5)
    )
    assert len(server.visits) == 0


def test_a_name_is_looked_up_once(tmp_path: Path) -> None:
    """A second answer would not be checked; the connection must go to the first one."""

    class Rebinding(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            found = await super().__call__(host, port)
            self.known[host] = ["10.255.255.1"]
            return found

    names = Rebinding(songs_example=HOST)
    file, _ = fetched(tmp_path, song, names=names)
    assert file.path.read_bytes() == SONG
    assert names.asked == ["songs.example"]


def test_the_next_address_is_tried_where_one_is_closed(tmp_path: Path) -> None:
    names = Names(songs_example=f"127.0.0.2 {HOST}")
    assert fetched(tmp_path, song, names=names)[0].path.read_bytes() == SONG


def test_proxies_of_the_environment_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would look up the name, and reach what the rules forbid."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetched(tmp_path, song)


def test_nothing_is_kept_between_requests() -> None:
    async def offer(visit: Visit) -> None:
        await visit.answer(b"", set_cookie="a=hidden; Path=/", connection="keep-alive")

    async def run() -> list[Visit]:
        server = Server(offer)
        async with server.listening():
            fetcher = Fetcher(TRUSTED, NAMES)
            for _ in range(2):
                url = f"http://songs.example:{server.port}/"
                await fetcher.post(url, b"", {}, seconds=5)
        return server.visits

    visits = asyncio.run(run())
    assert len(visits) == 2
    assert all("cookie" not in visit.headers for visit in visits)


@pytest.mark.parametrize("host", ["songs.example", "other.example"])
def test_certificates_are_verified_by_name(tmp_path: Path, host: str) -> None:
    """The connection is to an address, but what counts is the name in the URL."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the program openssl, which makes a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=songs.example",
         "-addext", "subjectAltName=DNS:songs.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    rules = FetchRules(private_hosts=("songs.example", "other.example"), seconds=5)

    async def run() -> bytes:
        server = Server(song)
        async with server.listening(context):
            fetcher = Fetcher(rules, NAMES)
            fetcher._ssl = ssl.create_default_context(cafile=certificate)
            url = f"https://{host}:{server.port}/a.wav"
            return (await fetcher.fetch(url, tmp_path / "song")).path.read_bytes()

    if host == "songs.example":
        assert asyncio.run(run()) == SONG
    else:
        with pytest.raises(FetchError, match="can't be reached"):
            asyncio.run(run())
    assert asked == [host]


# Servers that misbehave


def test_a_server_that_never_answers_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "IDLE_SECONDS", 0.1)

    async def wait(visit: Visit) -> None:
        await asyncio.sleep(2)

    failed(FetchError, "took too long", tmp_path, wait)


def test_a_server_that_drips_is_left(tmp_path: Path) -> None:
    sent = 0

    async def drip(visit: Visit) -> None:
        nonlocal sent
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            await visit.send(b"x")
            sent += 1
            await asyncio.sleep(0.02)

    failed(
        FetchError,
        r"0\.3 s in all",
        tmp_path,
        drip,
        rules=FetchRules(private_hosts=("songs.example",), seconds=0.3),
    )
    assert sent > 0


def test_a_body_that_does_not_end_is_left_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def pour(visit: Visit) -> None:
        nonlocal sent
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 10_000_000_000:
            await visit.send(SONG)
            sent += len(SONG)

    failed(FetchError, "larger than 1 MB", tmp_path, pour)
    assert sent < 50_000_000  # the limit, and what lies in the sockets' buffers


def test_a_length_beyond_the_limit_is_enough(tmp_path: Path) -> None:
    async def announce(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        await asyncio.sleep(2)

    failed(FetchError, "larger than 1 MB", tmp_path, announce)


def test_a_file_of_exactly_the_limit_is_fetched(tmp_path: Path) -> None:
    rules = FetchRules(private_hosts=("songs.example",), max_bytes=len(SONG), seconds=5)
    assert fetched(tmp_path, song, rules=rules)[0].path.read_bytes() == SONG


def test_a_body_shorter_than_announced_is_no_file(tmp_path: Path) -> None:
    async def stop(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")

    failed(FetchError, "broke off", tmp_path, stop)


def test_a_body_longer_than_announced_ends_where_it_should(tmp_path: Path) -> None:
    async def go_on(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef")

    assert fetched(tmp_path, go_on)[0].path.read_bytes() == b"abc"


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\na" * 9000])
def test_what_speaks_no_http_is_said(tmp_path: Path, data: bytes) -> None:
    failed(FetchError, "can't be reached", tmp_path, lambda visit: visit.send(data))


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "300 Choices"])
def test_an_answer_that_is_no_file_is_said(tmp_path: Path, status: str) -> None:
    failed(FetchError, status, tmp_path, lambda visit: visit.answer(b"", status))


def test_packed_bodies_are_refused(tmp_path: Path) -> None:
    """A small one can unpack to any size."""
    failed(
        FetchError, "'gzip'", tmp_path, lambda visit: visit.answer(SONG, content_encoding="gzip")
    )


def test_unknown_hosts_and_closed_ports_are_said(tmp_path: Path) -> None:
    failed(FetchError, "not known", tmp_path, song, "http://nowhere.example/")
    failed(
        FetchError,
        "can't be reached",
        tmp_path,
        song,
        f"http://{HOST}:1/",
        names=Names(**{HOST: HOST}),
    )


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: IncomingFile, piece: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IncomingFile, "_write", refuse)
    failed(OutputError, "No space left", tmp_path, song)


def test_a_file_that_was_there_stays_where_fetching_fails(tmp_path: Path) -> None:
    target = tmp_path / "song"
    target.write_bytes(b"before")
    with pytest.raises(FetchError):
        asyncio.run(Fetcher(TRUSTED, NAMES).fetch("http://nowhere.example/", target))
    assert target.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["song"]  # noqa: PTH208 - hidden files too


# data: URLs, uploads, webhooks


def test_a_data_url_is_decoded(tmp_path: Path) -> None:
    url = "data:audio/mpeg;base64,AAEC"
    file = asyncio.run(Fetcher(TRUSTED, NAMES).fetch(url, tmp_path / "song"))
    assert file == Fetched(tmp_path / "song", "audio/mpeg", "file.mp3")
    assert file.path.read_bytes() == b"\0\1\2"


@pytest.mark.parametrize(
    ("url", "said"),
    [("data:;base64,hidden*", "no base64"), ("data:," + "hidden" * 200_000, "larger than 1 MB")],
    ids=["bad", "large"],
)
def test_a_data_url_that_is_bad_leaves_nothing(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(FetchError, match=said) as raised:
        asyncio.run(Fetcher(TRUSTED, NAMES).fetch(url, tmp_path / "song"))
    assert len(str(raised.value)) < 300
    assert list(tmp_path.iterdir()) == []


def upload(tmp_path: Path, answer: Answer) -> tuple[str, Server]:
    server = Server(answer)
    result = tmp_path / "output.wav"
    result.write_bytes(SONG)

    async def run() -> str:
        async with server.listening():
            url = f"http://songs.example:{server.port}/up/output.wav?key=hidden"
            return await Fetcher(TRUSTED, NAMES).put(url, result)

    return asyncio.run(run()), server


def test_a_result_is_uploaded(tmp_path: Path) -> None:
    url, server = upload(tmp_path, lambda visit: visit.answer(b"", "201 Created"))
    assert url == f"http://songs.example:{server.port}/up/output.wav"
    (visit,) = server.visits
    assert (visit.method, visit.body) == ("PUT", SONG)
    assert visit.headers["content-type"] == "audio/x-wav"
    assert visit.headers["content-length"] == str(len(SONG))
    assert "transfer-encoding" not in visit.headers


def test_an_upload_goes_to_where_a_storage_sends_it(tmp_path: Path) -> None:
    async def lead(visit: Visit) -> None:
        if visit.path.startswith("/up/"):
            await visit.redirect("/eu/output.wav?key=hidden", "307 Temporary Redirect")
        else:
            await visit.answer(b"")

    url, server = upload(tmp_path, lead)
    assert url == f"http://songs.example:{server.port}/eu/output.wav"
    assert [visit.body for visit in server.visits] == [SONG, SONG]


@pytest.mark.parametrize("status", ["403 Forbidden", "302 Found", "500 Oops"])
def test_an_upload_that_is_not_taken_is_said(tmp_path: Path, status: str) -> None:
    with pytest.raises(FetchError, match=status) as raised:
        upload(tmp_path, lambda visit: visit.answer(b"", status, location="/x"))
    assert "hidden" not in str(raised.value)


def test_a_result_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"output\.wav"):
        asyncio.run(Fetcher(TRUSTED, NAMES).put("http://songs.example/", tmp_path / "output.wav"))


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "307 Temporary Redirect", "503 Later"])
def test_what_is_posted_is_answered_with_a_status(status: str) -> None:
    async def run() -> tuple[int, list[Visit]]:
        server = Server(lambda visit: visit.answer(b"", status, location="/elsewhere"))
        async with server.listening():
            url = f"http://songs.example:{server.port}/hook"
            answer = await Fetcher(TRUSTED, NAMES).post(url, b"{}", {"x-a": "b"}, seconds=5)
            return answer, server.visits

    answer, visits = asyncio.run(run())
    assert answer == int(status[:3])
    (visit,) = visits
    assert (visit.method, visit.path, visit.body) == ("POST", "/hook", b"{}")
    assert visit.headers["x-a"] == "b"


# Checks before anything is fetched


def check(url: str, names: Names) -> None:
    asyncio.run(Fetcher(FetchRules(), names).check(url))


def test_what_could_never_be_fetched_is_refused_beforehand() -> None:
    for url in ("http://songs.example/", "ftp://a.example/", "http://me:x@a.example/"):
        with pytest.raises(RefusedError):
            check(url, NAMES)
    check("https://a.example/", Names(a_example="8.8.8.8"))


def test_what_is_not_known_now_may_be_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "LOOKUP_SECONDS", 0.05)

    class Slow(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            await asyncio.sleep(5)
            return []

    check("https://nowhere.example/", Names())
    check("https://slow.example/", Slow())
