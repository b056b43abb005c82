"""Names of models, after their songs."""

from pathlib import Path

import pytest

from songloom.finetuning.naming import derive_model_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("My Songs", "My-Songs"),
        ("demo.tar.gz", "demo"),
        ("a.b.zip", "a.b"),
        ("música", "música"),
        ("lofi.v1.zip", "lofi.v1"),
        ("lofi.v2.TAR.XZ", "lofi.v2"),
        ("lofi.v3.tbz2", "lofi.v3"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("...", "my-style"),
    ],
)
def test_a_model_is_named_after_its_songs(tmp_path: Path, path: str, name: str) -> None:
    assert derive_model_name(tmp_path / "x" / path) == name


def test_archives_that_differ_in_their_version_give_names_that_differ(tmp_path: Path) -> None:
    names = ("lofi.v1.zip", "lofi.v2.zip", "lofi.v2.tgz.wav")
    for name in names:
        (tmp_path / name).touch()
    given_names = [derive_model_name(tmp_path / name) for name in names]
    assert given_names == ["lofi.v1", "lofi.v2", "lofi.v2.tgz"]


def test_a_single_file_gives_its_name(tmp_path: Path) -> None:
    path = tmp_path / "night drive.wav"
    path.touch()
    assert derive_model_name(path) == "night-drive"
