"""The page's files as a browser is given them; how the page behaves is tested in tests/browser."""

import gzip
import json
import posixpath
import re
import tomllib
from pathlib import Path

import pytest

from songloom.server.page import ASSETS, FOLDER, TYPES
from tests.server.serving import Serving, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FIRST_PAINT = 200_000
"""Bytes on the wire of all that is fetched before the page can be used."""
FILES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc")
)
OUR_IMPORT = r'^(?:import|export) (?:[^;"=(]* from )?"([^"]+)";'
OURS = [name for name in FILES if not name.startswith("vendor/")]


def test_a_browser_is_given_the_page(server: Serving) -> None:
    page = server.client.get("/", headers=BROWSER)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in page.headers["vary"]
    assert 'src="assets/app.js"' in page.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/html-like"])
def test_programs_are_given_urls(server: Serving, accept: str) -> None:
    answer = server.client.get("/", headers={"Accept": accept})
    assert answer.json()["predictions_url"].endswith("/predictions")
    assert answer.headers["vary"] == "Accept"


def test_page_and_files_need_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGLOOM_TOKENS", "sl_secret")
    with serving(tmp_path / "server") as server:
        assert server.client.get("/", headers=BROWSER).status_code == 200
        assert server.client.get("/assets/app.js").status_code == 200
        assert server.client.head("/assets/app.js").status_code == 200
        for path in ("/", "/v1/predictions", "/openapi.json"):
            assert server.client.get(path).status_code == 401
        for path in ("/", "/assets/app.js"):
            assert server.client.post(path, headers=BROWSER).status_code == 401


def test_what_the_page_may_do_is_told(server: Serving) -> None:
    one, other = (server.client.get("/", headers=BROWSER) for _ in range(2))
    policy = one.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    nonces = [re.findall(r'nonce="([^"]+)"', page.text) for page in (one, other)]
    assert nonces[0]
    assert set(nonces[0]) != set(nonces[1])
    assert all(f"script-src 'self' 'nonce-{nonce}'" in policy for nonce in nonces[0])
    assert "{{" not in one.text


def test_scripts_and_styles_stand_in_files() -> None:
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style", page)
    assert re.findall(r"<script(?![^>]*(?:src|importmap))", page) == []


def test_the_folder_is_a_package_and_serves_no_code(server: Serving) -> None:
    assert (FOLDER / "__init__.py").is_file()
    assert server.client.get(f"{ASSETS}__init__.py").status_code == 404


def test_each_file_has_its_type(server: Serving) -> None:
    for name in FILES:
        answer = server.client.get(ASSETS + name)
        if name == "index.html":  # only ever with its policy
            assert answer.status_code == 404
            continue
        assert answer.status_code == 200, name
        assert answer.headers["content-type"] == TYPES[Path(name).suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content == (FOLDER / name).read_bytes()


def test_files_are_compressed_where_it_helps(server: Serving) -> None:
    plain = server.client.get("/assets/style.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with server.client.stream("GET", "/assets/style.css") as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    sound = server.client.get("/assets/examples/bossa-nova.mp3")
    assert "content-encoding" not in sound.headers


def test_a_file_that_a_browser_has_is_not_sent_again(server: Serving) -> None:
    first = server.client.get("/assets/app.js")
    again = server.client.get("/assets/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    other = server.client.get("/assets/app.js", headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "name", ["", "none.js", "../page.py", "%2e%2e/page.py", "ui", "ui/%00.js", "x" * 5000 + ".js"]
)
def test_nothing_else_can_be_had(server: Serving, name: str) -> None:
    assert server.client.get(ASSETS + name).status_code == 404


def test_first_paint_is_small(server: Serving) -> None:
    page = server.client.get("/", headers=BROWSER)
    names = set(re.findall(r'href="assets/([\w/]+\.css)"', page.text))
    assert len(names) > 3
    names |= {"create/create.css", "theme.js", "icon.svg"}
    names |= loaded_with("app.js") | loaded_with("create/view.js")
    sizes = {"": len(gzip.compress(page.content))}
    for name in names:
        with server.client.stream("GET", ASSETS + name) as answer:
            sizes[name] = len(b"".join(answer.iter_raw()))
    with server.client.stream("GET", "/openapi.json") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        sizes["openapi.json"] = len(b"".join(answer.iter_raw()))
    assert len(sizes) > 20
    assert sum(sizes.values()) < FIRST_PAINT, sizes


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_imports_lead_somewhere(name: str) -> None:
    for found in imported(name):
        assert (FOLDER / found).is_file(), f"{name} imports {found}"


@pytest.mark.parametrize(
    "name", [name for name in FILES if not name.endswith((".LICENSE.txt", ".mp3"))]
)
def test_no_file_names_another_host(name: str) -> None:
    text = (FOLDER / name).read_text()
    hosts = set(re.findall(r"(?<![\w.])(?:https?:)?//([a-z0-9-]+(?:\.[a-z0-9-]+)+)", text))
    # Namespaces are names, and nothing is fetched from them.
    assert hosts <= {"www.w3.org"}


def test_files_stay_small() -> None:
    for name in OURS:
        if name.endswith((".js", ".css")):
            lines = (FOLDER / name).read_text().count("\n")
            assert lines < 400, f"{name} has {lines} lines; split it"


def test_what_is_vendored_is_as_it_was_published() -> None:
    import hashlib

    listed = (FOLDER / "vendor/VERSIONS").read_text().splitlines()[2:]
    names = set()
    for line in listed:
        _, version, licence, name, digest = line.split()
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert licence in ("MIT", "Apache-2.0", "BSD-3-Clause")
        data = (FOLDER / "vendor" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest().startswith(digest)
        names.add(f"vendor/{name}")
    assert names == {name for name in FILES if re.fullmatch(r"vendor/.*\.js", name)}


def test_all_files_are_packaged() -> None:
    settings = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["songloom"]
    assert "web/**/*" in patterns


def loaded_with(name: str) -> set[str]:
    """A module and all that it imports at once, not what it loads later."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += imported(one, later=False)
    return found


def imported(name: str, *, later: bool = True) -> list[str]:
    """What a module imports, as paths below the folder."""
    text = (FOLDER / name).read_text()
    page = (FOLDER / "index.html").read_text()
    table = re.search(r"importmap[^>]*>(.*?)</script>", page, re.DOTALL)
    assert table is not None
    known = json.loads(table[1])["imports"]
    statement = r'\bfrom"([^"]+)"' if name.startswith("vendor/") else OUR_IMPORT
    places = re.findall(statement, text, re.MULTILINE)
    if later:
        places += re.findall(r'\bimport\("([^"]+)"\)', text)
    paths = []
    for place in places:
        if place.startswith("."):
            paths.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), place)))
        else:
            paths.append(known[place].removeprefix("./assets/"))
    return paths


def test_the_report_has_the_color_of_the_page() -> None:
    style = (FOLDER / "style.css").read_text()
    light, dark = re.findall(r"--accent: light-dark\((#\w+), (#\w+)\)", style)[0]
    report = (FOLDER.parent / "assets" / "report.html").read_text()
    assert re.findall(r"--after: (#\w+)", report) == [light, dark]
