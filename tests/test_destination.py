import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.destination import choose_paths, format_of
from songloom.errors import OutputError
from songloom.request import GenerationRequest


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def choose(
    output: str | None, prompt: str = "Slow piano", count: int = 1, **fields: str
) -> list[str]:
    request = GenerationRequest.from_mapping({"prompt": prompt, **fields})
    path = None if output is None else Path(output)
    return [str(path) for path in choose_paths(path, request, count, overwrite=False)]


@pytest.mark.parametrize(
    ("output", "asked", "format"),
    [
        (None, None, "wav"),
        (None, "mp3", "mp3"),
        ("a", None, "wav"),
        ("a", "ogg", "ogg"),
        ("a.FLAC", None, "flac"),
        ("a.mp3", "mp3", "mp3"),
        ("take.2", "mp3", "mp3"),
        ("-", None, "wav"),
        ("-", "mp3", "mp3"),
        (".", None, "wav"),
    ],
)
def test_the_format_follows_the_name_or_the_wish(
    output: str | None, asked: str | None, format: str
) -> None:
    assert format_of(None if output is None else Path(output), asked) == format


@pytest.mark.parametrize(("output", "asked"), [("a.m4a", None), ("take.2", None), ("a.wav", "mp3")])
def test_a_name_that_promises_another_format_is_refused(output: str, asked: str | None) -> None:
    with pytest.raises(OutputError, match=f"output is '{output}'"):
        format_of(Path(output), asked)


def test_a_given_name_is_used() -> None:
    assert choose("a.wav") == ["a.wav"]
    assert choose("a", output_format="mp3") == ["a.mp3"]
    assert choose("take.2", output_format="mp3") == ["take.2"]


def test_several_files_are_numbered() -> None:
    assert choose("a.wav", count=2) == ["a-1.wav", "a-2.wav"]


def test_one_existing_file_of_several_refuses_all() -> None:
    Path("a-2.wav").touch()
    with pytest.raises(OutputError, match=r"'a-2\.wav'.*exists"):
        choose("a.wav", count=2)


def test_a_folder_of_that_name_is_refused() -> None:
    Path("a-1.wav").mkdir()
    with pytest.raises(OutputError, match=r"'a-1\.wav', but that is a folder"):
        choose("a.wav", count=2)


def test_without_a_name_the_prompt_is_the_name() -> None:
    assert choose(None) == ["slow-piano.wav"]
    assert choose(None, count=2) == ["slow-piano-1.wav", "slow-piano-2.wav"]
    Path("songs").mkdir()
    assert choose("songs", output_format="ogg") == ["songs/slow-piano.ogg"]


def test_a_name_keeps_the_vowels_of_every_script() -> None:
    prompt = "\u0927\u0940\u092e\u093e \u0938\u0902\u0917\u0940\u0924"  # "dhima sangit", slow music
    assert choose(None, prompt=prompt) == [prompt.replace(" ", "-") + ".wav"]


def test_without_a_name_the_next_free_number_is_taken() -> None:
    Path("slow-piano.wav").touch()
    Path("slow-piano-2.wav").touch()
    assert choose(None) == ["slow-piano-3.wav"]
    assert choose(None, count=2) == ["slow-piano-1.wav", "slow-piano-3.wav"]


def test_without_words_the_audio_is_the_name() -> None:
    assert choose(None, prompt="", input_audio="songs/My hum.m4a") == ["my-hum.wav"]
    assert choose(None, prompt="", melody_audio="whistle.mp3") == ["whistle.wav"]


def test_nothing_is_left_where_it_was_tried_to_write() -> None:
    choose("a.wav")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("output", ["missing/a.wav", "/proc/a.wav", "/dev/null/a.wav"])
def test_a_folder_that_takes_no_file_is_named(output: str) -> None:
    with pytest.raises(OutputError, match=f"output is '{output}'.*choose a folder"):
        choose(output)


def test_a_name_too_long_for_the_disk_is_refused() -> None:
    with pytest.raises(OutputError, match="no file can have that name"):
        choose("a" * 300 + ".wav")


@given(st.text(min_size=1).filter(str.strip))
def test_any_prompt_makes_a_name_that_files_can_have(prompt: str) -> None:
    [path] = choose(None, prompt=prompt)
    name = Path(path).name
    assert path == name
    assert len(name.encode()) <= 250
    assert name.endswith(".wav")
    assert not set(name.removesuffix(".wav")) & (set(string.punctuation) - set("-_"))
    assert name[0] not in "-_."
