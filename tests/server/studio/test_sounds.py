"""Outlines and downloads over HTTP."""

from typing import Any

import pytest

from songloom.jobs.store.records import Job, LibraryItem
from songloom.server.render.library import readable_name
from tests.server.serving import Serving
from tests.server.studio.test_library import made, trained


def item(server: Serving, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get(f"/v1/library/{made(server, **given)}").json()
    return found


def test_peaks(server: Serving) -> None:
    (output,) = item(server)["outputs"]
    answer = server.client.get(output["peaks"])
    assert answer.headers["content-type"] == "application/json"
    drawn = answer.json()
    assert drawn["seconds"] == output["seconds"] == 0.05
    assert all(0 <= peak <= 1 for peak in drawn["peaks"])


def test_every_download_has_its_format_and_a_readable_name(server: Serving) -> None:
    (output,) = item(server, prompt="Größe / 100%?")["outputs"]
    heads = {"wav": b"RIFF", "flac": b"fLaC", "mp3": b"ID3"}
    for format, url in output["downloads"].items():
        answer = server.client.get(url)
        assert answer.status_code == 200
        assert answer.content.startswith(heads[format])
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment;")
        assert disposition.endswith(f"Gr%C3%B6%C3%9Fe%20-%20100__.{format}")
        part = server.client.get(url, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, answer.content[:4])
        assert server.client.head(url).status_code == 200


def test_an_ogg_can_be_had_as_it_is(server: Serving) -> None:
    (output,) = item(server, output_format="ogg")["outputs"]
    assert set(output["downloads"]) == {"wav", "mp3", "flac", "ogg"}
    assert server.client.get(output["downloads"]["ogg"]).status_code == 200


def test_titles_name_files() -> None:
    files = {"files": ["output-1.wav", "output-2.wav"]}
    job = Job("a", "prediction", "replicate", {"prompt": "x"}, "nano", output=files)
    assert readable_name(LibraryItem(job, "Op. 5 no. 3"), "output-2.wav") == "Op. 5 no. 3 2"
    assert readable_name(LibraryItem(job, "../../etc"), "output-1.wav") == "..-..-etc 1".lstrip(
        ". "
    )


@pytest.mark.parametrize("what", ["peaks", "mp3"])
def test_what_is_not_there(server: Serving, what: str) -> None:
    id = made(server)
    for name in ("nothing.wav", "..%2Fsongloom.db"):
        assert server.client.get(f"/v1/library/{id}/sounds/{name}/{what}").status_code == 404
    training = trained(server)
    answer = server.client.get(f"/v1/library/{training}/sounds/weights.tar/{what}")
    assert answer.status_code == 404
    assert server.client.get(f"/v1/library/nothing/sounds/output.wav/{what}").status_code == 404


def test_a_format_that_there_is_not(server: Serving) -> None:
    answer = server.client.get(f"/v1/library/{made(server)}/sounds/output.wav/midi")
    assert answer.status_code == 422
