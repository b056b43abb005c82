"""`songloom tokens`."""

import json
from pathlib import Path

import pytest

from songloom.jobs.store.api_tokens import hash_token, new_token
from songloom.jobs.store.store import Store
from tests.command_line import refused, run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def kept_in(path: Path) -> dict[str, str]:
    """Digests by names, as the server finds them."""
    store = Store(f"sqlite:///{path}")
    try:
        return {token.name: token.sha256 for token in store.tokens()}
    finally:
        store.close()


def test_a_token_is_printed_once_and_kept_as_its_digest(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tokens", "create", "laptop") == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("sl_")
    database = home / "server" / "songloom.db"
    assert kept_in(database) == {"laptop": hash_token(token)}
    files = b"".join(path.read_bytes() for path in database.parent.glob("songloom.db*"))
    assert hash_token(token).encode() in files
    assert token.encode() not in files


def test_tokens_are_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("phone", "laptop"):
        run("tokens", "create", name)
    capsys.readouterr()
    assert run("tokens", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [token["name"] for token in listed] == ["laptop", "phone"]
    assert set(listed[0]) == {"name", "created_at"}
    assert run("tokens", "revoke", "laptop") == 0
    assert capsys.readouterr().out == "laptop\n"
    assert run("tokens") == 0
    table = capsys.readouterr().out
    assert "phone" in table
    assert "laptop" not in table


def test_a_name_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    run("tokens", "create", "laptop")
    capsys.readouterr()
    assert run("tokens", "create", "laptop") == 2
    refused(capsys, "'laptop' already", "choose another name")


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
def test_a_name_is_readable(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tokens", "create", name) == 2
    refused(capsys, "NAME is", "at most 100 characters")


def test_an_unknown_token_is_not_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    run("tokens", "create", "laptop")
    capsys.readouterr()
    assert run("tokens", "revoke", "phone") == 2
    refused(capsys, "no token 'phone'", "the tokens are: 'laptop'")


def test_tokens_lie_where_the_server_looks(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "songloom.toml"
    config.write_text(f"folder = '{tmp_path / 'by file'}'\n", encoding="utf-8")
    run("tokens", "create", "by-file", "--config", config)
    run("tokens", "create", "by-option", "--config", config, "--folder", tmp_path / "by option")
    run("tokens", "create", "by-url", "--database", f"sqlite:///{tmp_path / 'x.db'}")
    monkeypatch.setenv("SONGLOOM_FOLDER", str(tmp_path / "by variable"))
    run("tokens", "create", "by-variable")
    capsys.readouterr()
    for place in ("by file", "by option", "by variable"):
        assert set(kept_in(tmp_path / place / "songloom.db")) == {place.replace(" ", "-")}
    assert set(kept_in(tmp_path / "x.db")) == {"by-url"}
    assert not (home / "server").exists()


def test_an_option_that_would_have_no_effect_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tokens", "--folder", tmp_path, "revoke", "laptop") == 2
    refused(capsys, "songloom tokens revoke NAME --folder")


def test_no_two_tokens_are_alike() -> None:
    made = {new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(token) for token in made} == {3 + 43}  # 256 bits in letters of 6
    assert len({hash_token(token) for token in made}) == 1000
