"""Models as single files: packed, unpacked, and nothing else."""

import io
import tarfile
from pathlib import Path

import pytest

from songloom.checkpoints.hub import resolve
from songloom.checkpoints.packed import is_packed, pack, unpack_model
from songloom.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_packed_model_is_found_as_its_folder(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "weights.tar")
    found = resolve(tmp_path / "weights.tar")
    assert contents(found) == contents(folder)
    assert resolve(tmp_path / "weights.tar") == found  # not unpacked twice


def test_another_file_of_that_name_is_another_model(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "weights.tar")
    first = unpack_model(tmp_path / "weights.tar")
    (folder / "config.json").write_text('{"other": true}')
    pack(folder, tmp_path / "weights.tar")
    second = unpack_model(tmp_path / "weights.tar")
    assert first != second
    assert contents(second) == contents(folder)


def test_what_is_no_tar_is_not_taken_for_one(tmp_path: Path) -> None:
    for name, data in (("a", b""), ("b", b"\x80\x02}q"), ("c", b"PK\x03\x04" + bytes(600))):
        (tmp_path / name).write_bytes(data)
        assert not is_packed(tmp_path / name)
    assert not is_packed(tmp_path)


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["../config.json", "/tmp/config.json", "a/config.json", ".."])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", (tarfile.TarInfo(name), b"{}"))
    with pytest.raises(ModelError, match="plain files"):
        unpack_model(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("config.json")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(ModelError, match="plain files"):
        unpack_model(tar_of(tmp_path / "x.tar", (info, b"")))


def test_a_cut_file_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "weights.tar")
    data = (tmp_path / "weights.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[:1100])
    with pytest.raises(ModelError, match=r"cut\.tar is damaged"):
        unpack_model(tmp_path / "cut.tar")
    with pytest.raises(ModelError, match="damaged"):  # still: no half of it is taken for whole
        unpack_model(tmp_path / "cut.tar")
