"""Archives: what is in them comes out, and what is wrong with them is said."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.dataset.archives import Limits, is_archive, unpack
from songloom.errors import DatasetError

Members = list[tuple[str, bytes]]
Pack = Callable[[Path, Members], Path]


def pack_zip(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def tar_bytes(members: Members, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def pack_tar(path: Path, members: Members) -> Path:
    path.write_bytes(tar_bytes(members))
    return path


def pack_tgz(path: Path, members: Members) -> Path:
    path.write_bytes(gzip.compress(tar_bytes(members)))
    return path


def pack_bz2(path: Path, members: Members) -> Path:
    path.write_bytes(bz2.compress(tar_bytes(members)))
    return path


def pack_xz(path: Path, members: Members) -> Path:
    path.write_bytes(lzma.compress(tar_bytes(members)))
    return path


PACKS = [pack_zip, pack_tar, pack_tgz, pack_bz2, pack_xz]
every_kind = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.__name__[5:])


def unpacked(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    folder = path.parent / "unpacked"
    folder.mkdir()
    files = unpack(path, folder, limits).files
    assert sorted(files.values()) == sorted(folder.rglob("*"))  # nothing else, nowhere else
    return {name: file.read_bytes() for name, file in files.items()}


@every_kind
def test_songs_and_what_describes_them_come_out(tmp_path: Path, pack: Pack) -> None:
    # The name of the archive says nothing: its content does.
    path = pack(
        tmp_path / "songs.bin",
        [
            ("a.MP3", b"one"),
            ("./Album/b.wav", b"two" * 500_000),
            ("Album/b.txt", b"three"),
            ("c.json", b"{}"),
            ("Album/cover.jpg", b"no"),
            ("__MACOSX/Album/._b.wav", b"no"),
            (".hidden.wav", b"no"),
            (".git/d.wav", b"no"),
            ("Thumbs.db", b"no"),
        ],
    )
    assert is_archive(path)
    assert unpacked(path) == {
        "a.MP3": b"one",
        "Album/b.wav": b"two" * 500_000,
        "Album/b.txt": b"three",
        "c.json": b"{}",
    }


@every_kind
@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="/\\\0:", codec="utf-8"), min_size=1, max_size=90),
        unique=True,
        max_size=4,
    )
)
def test_any_name_survives(
    tmp_path_factory: pytest.TempPathFactory, pack: Pack, names: list[str]
) -> None:
    members = [(f"songs/x{name}.wav", name.encode()) for name in names]
    path = pack(tmp_path_factory.mktemp("names") / "songs", [("a.txt", b""), *members])
    assert unpacked(path) == {"a.txt": b"", **dict(members)}


@every_kind
def test_names_that_disks_refuse(tmp_path: Path, pack: Pack) -> None:
    members = [
        ("A: Side one.wav", b"0"),
        ("B:side/Z:.wav", b"7"),
        (f"{'long ' * 100}.wav", b"1"),
        ("Song.wav", b"2"),
        ("song.wav", b"3"),
        ("SONG.WAV", b"4"),
        ("line\nbreak.wav", b"5"),
        ("CON.wav", b"6"),
    ]
    assert unpacked(pack(tmp_path / "songs", members)) == dict(members)


@every_kind
def test_what_does_not_come_out_is_reported(tmp_path: Path, pack: Pack) -> None:
    members = [
        ("a.wav", b"1"),
        ("...Baby One More Time.wav", b"2"),
        ("...And Justice For All/One.wav", b"3"),
        ("live.WMA", b"4"),
        ("cover.jpg", b"5"),
        (".hidden.wav", b"6"),
        (".git/b.wav", b"7"),
        ("__MACOSX/._a.wav", b"8"),
        ("x/.DS_Store", b"9"),
        ("Thumbs.db", b"0"),
    ]
    (tmp_path / "unpacked").mkdir()
    unpacked = unpack(pack(tmp_path / "songs", members), tmp_path / "unpacked")
    assert list(unpacked.files) == [
        "a.wav", "...Baby One More Time.wav", "...And Justice For All/One.wav", "live.WMA",
    ]  # fmt: skip
    hidden = "a dot before its name, or its folder's, hides it; rename it"
    assert {each.file: each.reason for each in unpacked.skipped} == {
        "cover.jpg": "it is neither a song nor a description of one (txt, json)",
        ".hidden.wav": hidden,
        ".git/b.wav": hidden,
    }


@every_kind
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_with_one_name_the_last_counts_and_the_others_are_reported(
    tmp_path: Path, pack: Pack
) -> None:
    path = pack(tmp_path / "songs", [("a.wav", b"1"), ("./a.wav", b"2"), ("a.wav", b"3")])
    (tmp_path / "unpacked").mkdir()
    unpacked = unpack(path, tmp_path / "unpacked")
    assert [file.read_bytes() for file in unpacked.files.values()] == [b"3"]
    assert [each.file for each in unpacked.skipped] == ["a.wav", "a.wav"]
    assert len(list((tmp_path / "unpacked").iterdir())) == 1


def pack_legacy_zip(path: Path, names: list[str], encoding: str, *, told: bool = False) -> Path:
    """Write a zip as older programs do: names in a code page, without the flag of UTF-8.

    Args:
        path: of the zip.
        names: of its members, which hold them.
        encoding: of the names.
        told: whether an extra field has the names in UTF-8 as well, as Info-ZIP writes.
    """
    aliases: dict[bytes, bytes] = {}
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            raw = name.encode(encoding)
            # zipfile would not write such a name, but one of the same length.
            alias = chr(ord("A") + number) * len(raw)
            info = zipfile.ZipInfo(alias)
            if told:
                body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
                info.extra = struct.pack("<HH", 0x7075, len(body)) + body
            archive.writestr(info, f"<{number}>")
            aliases[alias.encode()] = raw
    content = path.read_bytes()
    for given_name, raw in aliases.items():
        assert content.count(given_name) == 2
        content = content.replace(given_name, raw)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["音楽/可能.wav", "音楽/可能.txt", "ソロ.wav"]),
        ("cp932", ["表示/十.wav", "スーパー.wav"]),
        ("gbk", ["慢板圆舞曲/钢琴.wav"]),
        ("big5", ["鋼琴/功夫.wav"]),
        ("cp949", ["느린 왈츠.wav"]),
        ("cp866", ["Кино - Группа крови.wav"]),
        ("cp437", ["Café/Größe.wav"]),
        ("cp1252", ["Café/Größe\u2014naïve.wav"]),
        ("utf-8", ["日本/可能.wav", "Café.wav"]),
    ],
)
def test_names_in_the_code_pages_of_older_programs(
    tmp_path: Path, encoding: str, names: list[str]
) -> None:
    path = pack_legacy_zip(tmp_path / "songs.zip", names, encoding)
    assert unpacked(path) == {name: f"<{n}>".encode() for n, name in enumerate(names)}


def test_a_name_that_is_told_in_utf8_beside_another_encoding(tmp_path: Path) -> None:
    names = ["Вальс 01 Я.wav", "x.wav"]
    path = pack_legacy_zip(tmp_path / "songs.zip", names, "koi8-r", told=True)
    assert set(unpacked(path)) == set(names)


def test_a_tar_with_names_in_a_code_page(tmp_path: Path) -> None:
    path = tmp_path / "songs.tar"
    with tarfile.open(path, "w", encoding="cp932", format=tarfile.GNU_FORMAT) as archive:
        member = tarfile.TarInfo("可能/能.wav")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    assert unpacked(path) == {"可能/能.wav": b"x"}


@every_kind
@pytest.mark.parametrize(
    "name",
    ["../a.wav", "a/../../b.wav", "/etc/a.wav", "..\\a.wav", "\\a.wav", "C:\\a.wav", "c:/a.wav"],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, pack: Pack, name: str) -> None:
    path = pack(tmp_path / "songs", [("fine.wav", b"1"), (name, b"2")])
    with pytest.raises(DatasetError, match=r"leads out of the archive's folder.*; do not trust"):
        unpacked(path)
    assert not (tmp_path / "a.wav").exists()
    assert not (tmp_path.parent / "b.wav").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, b"3"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "songs.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a.wav")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DatasetError, match=r"'a\.wav', which is a link, a device.*pack it again"):
        unpacked(path)


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "songs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a.wav")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match=r"'a\.wav', which is a link or a device"):
        unpacked(path)


@every_kind
def test_bombs_are_counted_while_they_unpack(tmp_path: Path, pack: Pack) -> None:
    path = pack(tmp_path / "songs", [("a.wav", b"x"), ("b.wav", bytes(3_000_000))])
    path_size = path.stat().st_size
    with pytest.raises(DatasetError, match=r"unpacks to more than .* \(at 'b\.wav'\).* bomb"):
        unpacked(path, Limits(total_bytes=2_000_000))
    if path_size < 10_000:
        limits = Limits(ratio=20, ratio_from_bytes=1_000_000)
        with pytest.raises(DatasetError, match="20 times its own size"):
            unpack(path, tmp_path, limits)


def test_a_zip_that_lies_about_its_sizes_is_counted_all_the_same(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "songs.zip", [("a.wav", bytes(3_000_000))])
    content = path.read_bytes()
    true_size, small = (3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert true_size in content
    path.write_bytes(content.replace(true_size, small))
    with pytest.raises(DatasetError, match=r"bomb|broken"):
        unpacked(path, Limits(total_bytes=2_000_000))
    assert sum(f.stat().st_size for f in (tmp_path / "unpacked").iterdir()) <= 2_000_000


def test_a_bomb_among_members_that_are_not_wanted(tmp_path: Path) -> None:
    path = pack_tgz(tmp_path / "songs", [("a.wav", b"x"), ("b.jpg", bytes(3_000_000))])
    with pytest.raises(DatasetError, match="bomb"):
        unpacked(path, Limits(total_bytes=2_000_000))


def test_a_tar_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    path = tmp_path / "songs.tgz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(100_000)))
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        unpacked(path)


@every_kind
def test_too_many_members(tmp_path: Path, pack: Pack) -> None:
    path = pack(tmp_path / "songs", [(f"{n}.wav", b"") for n in range(6)])
    with pytest.raises(DatasetError, match=r"more than 5 members \(at '5\.wav'\)"):
        unpacked(path, Limits(members=5))


def test_encrypted_zip(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "songs.zip", [("a.wav", b"x")])
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own header, and in the directory
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"songs\.zip cannot be unpacked at 'a\.wav': .*encrypt"):
        unpacked(path)


@pytest.mark.parametrize("pack", [pack_zip, pack_tgz, pack_bz2, pack_xz])
def test_corrupt_content_is_found(tmp_path: Path, pack: Pack) -> None:
    noise = random.Random(0).randbytes(200_000)
    path = pack(tmp_path / "songs", [("a.wav", noise)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"songs cannot be unpacked.*: it is .*broken"):
        unpacked(path)


@every_kind
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_archive(tmp_path: Path, pack: Pack, share: float) -> None:
    noise = random.Random(0).randbytes(60_000)
    path = pack(tmp_path / "songs", [("a.wav", noise), ("b.wav", noise)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match=r"cannot be unpacked.*: download or pack it again"):
        unpacked(path)


def test_gz_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "song.wav.gz"
    path.write_bytes(gzip.compress(b"RIFF" * 1000))
    with pytest.raises(DatasetError, match="compressed by gzip, but broken or no tar"):
        unpacked(path)


@pytest.mark.parametrize("pack", [pack_zip, pack_tgz])
def test_empty_archive(tmp_path: Path, pack: Pack) -> None:
    path = pack(tmp_path / "songs", [])
    with pytest.raises(DatasetError, match="is an empty archive: expected songs"):
        unpacked(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF\0\0\0\0WAVE", b"ID3\4", b"text", bytes(2000)], ids=range(5)
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "songs.zip"
    path.write_bytes(content)
    assert not is_archive(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no\.zip' cannot be opened \(No such file"):
        is_archive(tmp_path / "no.zip")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600), st.sampled_from([b"PK\3\4", b"\x1f\x8b\x08", b"BZh9", b""]))
def test_any_bytes_give_files_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, magic: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "songs"
    path.write_bytes(magic + content)
    with suppress(DatasetError):
        assert unpacked(path) == {}


def test_an_old_tar_may_have_names_beyond_ascii(tmp_path: Path) -> None:
    """Tars from before 1988 have no mark but a checksum that fits."""
    header = bytearray(tarfile.TarInfo("Übung.wav").tobuf(tarfile.USTAR_FORMAT, "utf-8"))
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "songs.tar"
    path.write_bytes(bytes(header) + bytes(1024))
    assert is_archive(path)
