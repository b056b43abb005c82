"""Data sets over HTTP: songs come in, are listened to, described, and trained on."""

import asyncio
import io
import json
import re
import tarfile
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import soundfile

from songloom.dataset.files import AUDIO
from songloom.jobs.messages import Work
from songloom.server.http.links import Links
from songloom.server.studio.datasets import dataset_events
from tests.server.serving import Serving, serving
from tests.waiting import PATIENCE, wait_until, wait_until_async


def made(server: Serving, name: str = "Waltzes") -> str:
    response = server.client.post("/v1/datasets", json={"name": name})
    assert response.status_code == 201
    return str(response.json()["id"])


def put(server: Serving, id: str, path: str, content: bytes = b"a song") -> dict[str, Any]:
    response = server.client.put(f"/v1/datasets/{id}/songs", params={"path": path}, content=content)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def dataset(server: Serving, id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get(f"/v1/datasets/{id}").json()
    return found


def song(server: Serving, id: str, file: str) -> dict[str, Any]:
    return next(each for each in dataset(server, id)["songs"] if each["file"] == file)


def analysed(server: Serving, id: str) -> dict[str, Any]:
    """A data set once all its songs were listened to."""
    wait_until(
        lambda: all(s["status"] in ("ready", "failed") for s in dataset(server, id)["songs"])
    )
    return dataset(server, id)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_data_set_is_made_renamed_listed_and_removed(server: Serving) -> None:
    first, second = made(server), made(server, "  ")
    assert dataset(server, first)["name"] == "Waltzes"
    assert dataset(server, second)["name"] == "My songs"
    listed = server.client.get("/v1/datasets").json()["results"]
    assert [each["id"] for each in listed] == [second, first]
    renamed = server.client.patch(f"/v1/datasets/{first}", json={"name": "Polkas"})
    assert renamed.json()["name"] == "Polkas"
    put(server, first, "a.mp3")
    assert server.client.delete(f"/v1/datasets/{first}").status_code == 204
    missing = server.client.get(f"/v1/datasets/{first}")
    assert missing.status_code == 404
    assert "GET /v1/datasets" in missing.json()["detail"]
    assert not (server.services.datasets.folder / first).exists()


def test_a_song_is_listened_to_as_soon_as_it_is_there(server: Serving) -> None:
    id = made(server)
    added = put(server, id, "album/one.MP3", b"an old waltz")
    assert added["skipped"] == []
    assert [(s["file"], s["size"]) for s in added["songs"]] == [("album/one.MP3", 12)]
    one = analysed(server, id)["songs"][0]
    assert one["status"] == "ready"
    assert one["seconds"] == 12
    assert one["labels"] == {
        "genre": [], "mood": [], "instruments": [], "bpm": 120.0, "key": "A minor",
    }  # fmt: skip
    assert one["caption"] is None
    assert not one["edited"]
    assert dataset(server, id)["seconds"] == 12


def test_a_song_is_drawn(server: Serving) -> None:
    file = io.BytesIO()
    soundfile.write(file, [0.0, 0.5] * 4000, 16000, format="WAV")
    id = made(server)
    (added,) = put(server, id, "one.wav", file.getvalue())["songs"]
    drawn = server.client.get(added["urls"]["peaks"]).json()
    assert drawn["seconds"] == 0.5
    assert max(drawn["peaks"]) == 0.5
    (added,) = put(server, id, "two.wav", b"no sound")["songs"]
    assert server.client.get(added["urls"]["peaks"]).status_code == 400


def test_a_song_that_can_t_be_heard_says_why_and_keeps_no_other_back(server: Serving) -> None:
    id = made(server)
    put(server, id, "a.wav", b"noise")
    put(server, id, "b.wav")
    bad, good = analysed(server, id)["songs"]
    assert (bad["status"], good["status"]) == ("failed", "ready")
    assert bad["error"] == "it is silent: expected something to hear; leave it out"


def test_descriptions_count_whenever_they_come(server: Serving) -> None:
    id = made(server)
    put(server, id, "one.txt", b"A slow waltz.")
    put(server, id, "one.wav", b"one")
    put(server, id, "two.wav", b"two")
    told = put(server, id, "two.json", b'{"bpm": 90, "mood": ["sad"], "unknown": ["key"]}')
    assert [s["file"] for s in told["songs"]] == ["two.wav"]
    one, two = analysed(server, id)["songs"]
    assert (one["caption"], one["labels"]["bpm"]) == ("A slow waltz.", 120)
    labels = two["labels"]
    assert (labels["bpm"], labels["mood"], labels["key"]) == (90, ["sad"], None)
    refused = put(server, id, "one.json", b'{"bpm": 9000}')
    assert refused["songs"] == []
    assert "bpm is 9000" in refused["skipped"][0]["reason"]


def test_an_archive_is_unpacked_with_what_lies_beside_the_songs(server: Serving) -> None:
    id = made(server)
    content = zipped(
        **{"a/one.mp3": b"1", "a/one.txt": b"Quiet.", "b.flac": b"2", "cover.jpg": b"3"}
    )
    added = put(server, id, "folder/songs.zip", content)
    assert [(s["file"], s["caption"]) for s in added["songs"]] == [
        ("folder/a/one.mp3", "Quiet."), ("folder/b.flac", None),
    ]  # fmt: skip
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("c.ogg")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"c"))
    assert [s["file"] for s in put(server, id, "more.tgz", file.getvalue())["songs"]] == ["c.ogg"]
    left = [path.name for path in server.services.datasets.files(id).iterdir()]
    assert len(left) == 4
    assert not any(name.startswith(".") for name in left)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(**{"../out.mp3": b"x"}), "leads out of the archive's folder"),
        (zipped(**{"cover.jpg": b"x"}), "holds no songs"),
        (zipped(**{"a.mp3": b"x"})[:-30], "cannot be unpacked"),
    ],
    ids=["a path out of it", "no songs", "cut off"],
)
def test_a_bad_archive_is_refused_and_leaves_nothing(
    server: Serving, content: bytes, said: str
) -> None:
    id = made(server)
    url = f"/v1/datasets/{id}/songs"
    refused = server.client.put(url, params={"path": "songs.zip"}, content=content)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert str(server.services.datasets.folder) not in refused.text
    assert list(server.services.datasets.files(id).iterdir()) == []


@pytest.mark.parametrize(
    "path",
    ["../x.mp3", "/etc/x.mp3", "a/../../x.mp3", "C:\\x.mp3", "a\0.mp3", "", "a/" * 20 + "x.mp3"],
)
def test_a_path_that_leads_elsewhere_is_refused(server: Serving, path: str) -> None:
    id = made(server)
    url = f"/v1/datasets/{id}/songs"
    refused = server.client.put(url, params={"path": path}, content=b"x")
    assert refused.status_code == 422
    assert refused.json()["invalid_fields"][0]["field"] == "path"


@pytest.mark.parametrize("path", ["notes.pdf", "noending", "._song.mp3", "__MACOSX/song.mp3"])
def test_a_file_of_no_use_is_refused(server: Serving, path: str) -> None:
    id = made(server)
    url = f"/v1/datasets/{id}/songs"
    refused = server.client.put(url, params={"path": path}, content=b"x")
    assert refused.status_code == 422
    assert "leave" in refused.json()["detail"]
    assert dataset(server, id)["songs"] == []


def test_the_same_recording_is_taken_once(server: Serving) -> None:
    id = made(server)
    put(server, id, "a.mp3", b"same")
    twice = put(server, id, "b.mp3", b"same")
    assert twice["songs"] == []
    assert twice["skipped"] == [{"file": "b.mp3", "reason": "it is the same recording as 'a.mp3'"}]
    again = put(server, id, "A.mp3", b"same")
    assert [s["file"] for s in again["songs"]] == ["a.mp3"]
    assert len(dataset(server, id)["songs"]) == 1


def test_a_new_file_takes_the_place_of_an_old_one_and_its_edits(server: Serving) -> None:
    id = made(server)
    before = put(server, id, "a.mp3", b"one")["songs"][0]
    analysed(server, id)
    server.client.patch(f"/v1/datasets/{id}/songs/{before['id']}", json={"caption": "Mine"})
    after = put(server, id, "a.mp3", b"longer")["songs"][0]
    assert after["id"] == before["id"]
    assert after["caption"] == "Mine"
    assert analysed(server, id)["songs"][0]["seconds"] == 6
    assert len(list(server.services.datasets.files(id).iterdir())) == 1


LONG = "Очень длинное название песни, которое не помещается в имя файла на диске " * 2


@pytest.mark.parametrize(
    "names",
    [
        [f"{LONG}{number}.wav" for number in ("I", "II", "III", "IV")],
        ["who?.wav", "who*.wav", "who%.wav", "who:.wav", "who_.wav"],
        ["Waltz.wav", "waltz.wav", "WALTZ.WAV"],
        ["Caf\u00e9.wav", "Cafe\u0301.wav"],
        ["...Baby.wav", "Baby.wav", "Baby .wav", " Baby.wav"],
        ["CON.wav", "_CON.wav", "con.wav"],
        ["a\u200bb.wav", "ab.wav", "a\nb.wav"],
    ],
    ids=["long", "signs", "case", "accents", "dots", "reserved", "invisible"],
)
@pytest.mark.parametrize("way", ["one by one", "archive"])
def test_names_never_collide_and_edits_stay(server: Serving, names: list[str], way: str) -> None:
    id = made(server)
    if way == "archive":
        files = {name: name.encode() for name in names}
        files |= {f"{name}.txt": f"About {name}".encode() for name in names}
        put(server, id, "songs.zip", zipped(**files))
    else:
        first = put(server, id, names[0], names[0].encode())["songs"][0]
        server.client.patch(f"/v1/datasets/{id}/songs/{first['id']}", json={"caption": "Mine"})
        for name in names[1:]:
            put(server, id, name, name.encode())
            put(server, id, f"{name}.txt", f"About {name}".encode())
    songs = {song["file"]: song["caption"] for song in dataset(server, id)["songs"]}
    about = {name: f"About {name}".strip() for name in names}
    assert songs == (about if way == "archive" else about | {names[0]: "Mine"})
    folder = server.services.datasets.folder / "copy"
    server.services.datasets.copy(id, folder)
    copied = {p.read_bytes().decode(): p for p in folder.iterdir() if p.suffix.lower() == ".wav"}
    assert set(copied) == set(names)
    assert len({p.name.casefold() for p in copied.values()}) == len(names)
    for name, path in copied.items():
        said = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
        assert said["caption"] == songs[name]
        assert len(path.name.encode()) <= 140


def test_the_page_takes_the_songs_that_are_read() -> None:
    script = (files("songloom.web") / "train/files.js").read_text(encoding="utf-8")
    [listed] = re.findall(r"const ENDINGS = (.*?);", script, re.DOTALL)
    endings = "".join(re.findall(r'"([^"]*)"', listed)).split()
    assert {f".{ending}" for ending in endings} == AUDIO


def test_a_long_name_finds_its_description(server: Serving) -> None:
    id = made(server)
    put(server, id, f"{LONG}.flac", b"one")
    [song] = put(server, id, f"{LONG}.txt", b"A slow waltz.")["songs"]
    assert (song["file"], song["caption"]) == (f"{LONG}.flac", "A slow waltz.")


def test_what_an_archive_holds_is_used_or_reported(server: Serving) -> None:
    id = made(server)
    content = zipped(
        **{
            "a/live.wma": b"1", "a/Live.txt": b"Loud.", "a/cover.jpg": b"2", "README.txt": b"3",
            ".hidden.wav": b"4", "__MACOSX/a/._live.wma": b"5",
        }
    )  # fmt: skip
    added = put(server, id, "x/songs.zip", content)
    assert [(s["file"], s["caption"]) for s in added["songs"]] == [("x/a/live.wma", "Loud.")]
    assert {each["file"] for each in added["skipped"]} == {
        "x/a/cover.jpg", "x/README.txt", "x/.hidden.wav",
    }  # fmt: skip


def test_edits_win_are_checked_and_can_be_taken_back(server: Serving) -> None:
    id = made(server)
    put(server, id, "a.txt", b"From a file.")
    key = put(server, id, "a.mp3")["songs"][0]["id"]
    analysed(server, id)
    url = f"/v1/datasets/{id}/songs/{key}"
    edit = {"caption": None, "bpm": 90, "key": "f# MINOR", "mood": ["sad", " sad ", ""]}
    edited = server.client.patch(url, json=edit).json()
    assert edited["caption"] is None
    assert edited["labels"] == {
        "genre": [], "mood": ["sad"], "instruments": [], "bpm": 90.0, "key": "F# minor",
    }  # fmt: skip
    assert edited["edited"]
    back = {"caption": "From a file.", "bpm": 120, "key": "Am", "mood": None}
    assert not server.client.patch(url, json=back).json()["edited"]
    for body, field in (({"bpm": 1}, "bpm"), ({"key": "H"}, "key"), ({"colour": 1}, "colour")):
        refused = server.client.patch(url, json=body)
        assert refused.status_code == 422
        assert refused.json()["invalid_fields"][0]["field"] == field
    assert not song(server, id, "a.mp3")["edited"]


def test_a_song_is_heard_in_ranges_and_without_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, public_url="http://localhost") as server:
        id = made(server)
        url = put(server, id, "a.mp3", b"0123456789")["songs"][0]["urls"]["audio"]
        part = server.client.get(url, headers={"Range": "bytes=2-4"})
        assert part.status_code == 206
        assert part.content == b"234"
        assert part.headers["content-type"] == "audio/mpeg"
        assert server.client.delete(url.partition("/audio")[0]).status_code == 204
        assert dataset(server, id)["songs"] == []
        assert server.client.get(url).status_code == 404


def test_an_upload_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, max_file_mb=0.001, max_body_mb=0.0001) as server:
        id = made(server)
        put(server, id, "a.mp3", bytes(900))
        url = f"/v1/datasets/{id}/songs"
        refused = server.client.put(url, params={"path": "b.mp3"}, content=bytes(1100))
        assert refused.status_code == 413
        assert [s["file"] for s in dataset(server, id)["songs"]] == ["a.mp3"]


def test_everything_outlives_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        id = made(server)
        key = put(server, id, "a.mp3")["songs"][0]["id"]
        before = analysed(server, id)
        server.client.patch(f"/v1/datasets/{id}/songs/{key}", json={"genre": ["waltz"]})
    (tmp_path / "datasets" / id / "files" / "left-over.mp3").write_bytes(b"x")
    with serving(tmp_path) as server:
        after = dataset(server, id)
        assert after["created_at"] == before["created_at"]
        assert after["songs"][0]["labels"]["genre"] == ["waltz"]
        assert server.services.datasets.files(id).joinpath("left-over.mp3").exists() is False


def test_what_happens_is_told_until_it_is_removed(server: Serving) -> None:
    id = made(server)
    links = Links("http://x", lambda path: path)
    told: list[tuple[str, Any]] = []

    async def listen() -> None:
        async for event in dataset_events(server.services, id, links):
            told.append(event)

    async def act() -> None:
        listening = asyncio.create_task(listen())
        await wait_until_async(lambda: len(told) == 1)
        store = server.services.datasets
        await asyncio.to_thread(store.rename, id, "New")
        await wait_until_async(lambda: len(told) == 2)
        await asyncio.to_thread(store.remove, id)
        await asyncio.wait_for(listening, PATIENCE)

    assert server.client.portal is not None
    server.client.portal.call(act)
    assert [(name, data["name"]) for name, data in told] == [
        ("dataset", "Waltzes"), ("dataset", "New"),
    ]  # fmt: skip


def trained_on(server: Serving, url: str, **input: Any) -> dict[str, Any]:
    version = server.client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    response = server.client.post(
        f"/v1/models/songloom/nano/versions/{version}/trainings",
        json={"destination": "me/style", "input": {"dataset_path": url} | input},
    )
    assert response.status_code == 201, response.text
    job: dict[str, Any] = response.json()
    return job


def test_a_training_has_its_own_copy_of_songs_and_words(server: Serving) -> None:
    id = made(server, "My: waltzes")
    put(server, id, "album/a.txt", b"From a file.")
    key = put(server, id, "album/a.mp3", b"one")["songs"][0]["id"]
    put(server, id, "noise.mp3", b"noise")
    analysed(server, id)
    url = f"/v1/datasets/{id}/songs/{key}"
    server.client.patch(url, json={"bpm": 90, "key": None})
    job = trained_on(server, dataset(server, id)["urls"]["get"], one_same_description="hang")
    wait_until(lambda: server.executor.submitted)
    work: Work = server.executor.submitted[0]
    server.client.patch(url, json={"bpm": 100})
    server.client.delete(f"/v1/datasets/{id}")
    songs = Path(str(work.request["dataset_path"]))
    assert songs.name == "My_ waltzes"
    found = sorted(path.relative_to(songs).as_posix() for path in songs.rglob("*.*"))
    assert found == ["album/a.mp3", "album/a.mp3.json"]
    assert (songs / "album/a.mp3").read_bytes() == b"one"
    said = json.loads((songs / "album/a.mp3.json").read_text())
    assert said == {"caption": "From a file.", "bpm": 90.0, "unknown": ["key"]}
    server.client.post(f"/v1/trainings/{job['id']}/cancel")
    assert server.ended(job["id"]).status == "canceled"


def test_a_training_on_nothing_says_what_to_do(server: Serving) -> None:
    id = made(server)
    job = server.ended(trained_on(server, dataset(server, id)["urls"]["get"])["id"])
    assert job.error == "the data set 'Waltzes' has no songs to train on; add some to it"
    job = server.ended(trained_on(server, "http://localhost:8000/v1/datasets/gone")["id"])
    assert "the data set 'gone' is not here" in str(job.error)
