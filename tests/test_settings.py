"""Settings from flags, the environment and a file, each winning over the next."""

from pathlib import Path

import pytest

from songloom.errors import RequestError
from songloom.settings import ORIGINAL, ServeSettings, read_settings


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "songloom.toml"
    file.write_text('port = 1\nqueue_limit = 1\nmodel = "small"\nkeep_days = 7\n')
    environment = {"SONGLOOM_PORT": "2", "SONGLOOM_QUEUE_LIMIT": "2", "SONGLOOM_OTHER": "x"}
    settings = read_settings({"port": 3}, file, environment)
    assert (settings.port, settings.queue_limit) == (3, 2)
    assert (settings.model, settings.keep_days) == ("small", 7.0)
    assert settings.max_batch == ServeSettings().max_batch


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("false", False)]
)
def test_switches_in_the_environment(text: str, value: bool) -> None:
    settings = read_settings({}, environment={"SONGLOOM_ALLOW_ANONYMOUS": text})
    assert settings.allow_anonymous is value


def test_an_empty_variable_is_none() -> None:
    assert read_settings({}, environment={"SONGLOOM_PORT": " "}) == ServeSettings()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SONGLOOM_PORT": "http"}, "the variable SONGLOOM_PORT is wrong: port is 'http'"),
        ({"SONGLOOM_PORT": "70000"}, "from 0 to 65535"),
        ({"SONGLOOM_ALLOW_ANONYMOUS": "perhaps"}, "true or false"),
        ({"SONGLOOM_LOG_FORMAT": "xml"}, "one of text, json"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_settings({}, environment=environment)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"port = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"prot = 1", "did you mean 'port'?"),
        (b'port = "1"', "port is '1'"),
        (b"[port]\nx = 1", "port is {'x': 1}"),
    ],
)
def test_a_wrong_file_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "songloom.toml"
    file.write_bytes(content)
    with pytest.raises(RequestError) as raised:
        read_settings({}, file, {})
    assert words in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't be read"):
        read_settings({}, tmp_path / "none.toml", {})


def test_aliases_are_pairs() -> None:
    table = ServeSettings(model="melody", aliases=" a/b = small, stereo-melody=nano,").alias_table()
    assert table == {ORIGINAL: "melody", "a/b": "small", "stereo-melody": "nano"}
    for text in ("a/b", "=nano", "a/b="):
        with pytest.raises(RequestError, match="name=model pairs"):
            ServeSettings(aliases=text)


@pytest.mark.parametrize("url", ["songs.example", "ftp://songs.example", "https://"])
def test_urls_are_of_the_web(url: str) -> None:
    for name in ("public_url", "upload_url"):
        with pytest.raises(RequestError, match=name):
            ServeSettings(**{name: url})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "loopback", "local_only"),
    [
        ({}, True, True),
        ({"host": "localhost"}, True, True),
        ({"host": "::1"}, True, True),
        ({"host": "0.0.0.0"}, False, False),
        ({"host": "songs.example"}, False, False),
        ({"public_url": "http://localhost:8000"}, True, True),
        ({"public_url": "https://songs.example"}, True, False),
    ],
)
def test_who_can_reach_it(settings: dict[str, str], loopback: bool, local_only: bool) -> None:
    made = ServeSettings(**settings)  # type: ignore[arg-type]
    assert (made.loopback, made.local_only) == (loopback, local_only)
