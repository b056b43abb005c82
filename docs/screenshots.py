"""Take the pictures of the page anew: `python -m docs.screenshots [FOLDER]`.

They show the real page on a real server, with music that nano has made and a model that it has
become; only the songs to train on are the examples. With a folder, what is made stays there, and
is looked at again by the next run. Needs Chromium and minutes. The page takes the system's font;
the pictures in the documents were taken where that is Inter.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.chromium import ARGUMENTS
from tests.server.server_process import ServerProcess, serving
from tests.tools import find_chromium

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "page"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip
LARGEST = 200_000
"""Bytes of a picture."""
PIECES = {
    "lo-fi, vibraphone melody, electric piano chords, upright bass, drums, 75 bpm": (
        "Rain on the tram",
        12,
        5,
    ),
    "ballad, warm felt piano, slow, C major, no drums": (None, 8, 3),
    "swing jazz, saxophone melody, piano chords, upright bass, drums, 150 bpm": ("Late set", 10, 4),
    "funk, trumpet melody, electric piano, bass guitar, drum kit, E dorian": (None, 8, 6),
    "happy bossa nova, flute melody, acoustic guitar chords, upright bass, drums, A major": (
        None,
        8,
        2,
    ),
}
TRAINING = {
    "epochs": 2, "updates_per_epoch": 20, "batch_size": 4, "window_seconds": 4, "previews": 2,
    "preview_seconds": 4, "seed": 1,
}  # fmt: skip


def main(folder: Path) -> None:
    """Fill a library, unless it was filled before, and look at it."""
    PICTURES.mkdir(exist_ok=True)
    with serving(folder) as server, sync_playwright() as play:
        if not only(server, "/v1/library"):
            train(server)
            for prompt, (title, seconds, seed) in PIECES.items():
                make(server, prompt, title, seconds, seed)
        trained = only(server, "/v1/library?kind=training")["id"]
        songs = only(server, "/v1/datasets")["id"]
        browser = play.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        look(browser, server.url, "create", "#/create", DESKTOP, "light")
        look(browser, server.url, "create-phone", "#/create", PHONE, "dark")
        look(browser, server.url, "songs", f"#/train/{songs}", DESKTOP, "light")
        look(browser, server.url, "train", f"#/trainings/{trained}", DESKTOP, "dark")
        look(browser, server.url, "library", "#/library", DESKTOP, "light")
        look(browser, server.url, "library-phone", "#/library", PHONE, "light")
        browser.close()


def only(server: ServerProcess, path: str) -> dict[str, Any] | None:
    """The first of a list, if there is one."""
    results: list[dict[str, Any]] = server.client.get(path).raise_for_status().json()["results"]
    return results[0] if results else None


def make(server: ServerProcess, prompt: str, title: str | None, seconds: int, seed: int) -> None:
    """One piece, with a name of its own if it has one, and then a favourite."""
    given = {"prompt": prompt, "duration": seconds, "seed": seed}
    job = server.client.post("/v1/predictions", json={"version": "songloom/nano", "input": given})
    id = job.raise_for_status().json()["id"]
    server.until_status(id, "succeeded")
    if title:
        changes = {"title": title, "favorite": True}
        server.client.patch(f"/v1/library/{id}", json=changes).raise_for_status()


def train(server: ServerProcess) -> None:
    """A model of the example songs."""
    client = server.client
    dataset = client.post("/v1/datasets", json={"name": "Music boxes"}).raise_for_status().json()
    path = f"/v1/datasets/{dataset['id']}"
    for song in sorted((ROOT / "examples" / "songs").glob("0*")):
        given = {"params": {"path": song.name}, "content": song.read_bytes()}
        client.put(f"{path}/songs", **given).raise_for_status()
    while any(song["status"] != "ready" for song in client.get(path).json()["songs"]):
        time.sleep(1)
    version = client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    given = TRAINING | {"dataset_path": dataset["urls"]["get"], "model": "nano"}
    training = client.post(
        f"/v1/models/songloom/nano/versions/{version}/trainings",
        json={"destination": "me/music-boxes", "input": given},
    )
    id = training.raise_for_status().json()["id"]
    client.patch(f"/v1/library/{id}", json={"title": "Music boxes"}).raise_for_status()
    while (status := server.job(id, "training")["status"]) in ("starting", "processing"):
        time.sleep(1)
    assert status == "succeeded", server.job(id, "training")["error"]


def look(browser: Any, url: str, name: str, view: str, screen: dict[str, Any], scheme: str) -> None:
    """Take a picture of a view."""
    context = browser.new_context(**screen, color_scheme=scheme, locale="en-GB")
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{url}/{view}")
    page.get_by_role("heading").first.wait_for()
    if name == "create":
        words = "waltz, music box melody, strings, slow, A minor"
        page.get_by_label("Describe the music").fill(words)
    if name == "create-phone":
        page.locator("#results article").first.scroll_into_view_if_needed()
        page.evaluate("document.querySelector('#results').scrollIntoView()")
    if name == "songs":
        page.get_by_text("preparing and comparing included").wait_for()
    time.sleep(4)  # until waveforms are drawn
    shot = PICTURES / f"{name}.png"
    page.screenshot(path=shot)
    context.close()
    with Image.open(shot) as picture:
        picture.save(shot.with_suffix(".webp"), quality=88, method=6)
    shot.unlink()
    size = shot.with_suffix(".webp").stat().st_size
    assert size < LARGEST, f"{name} has {size} bytes, but should have less than {LARGEST}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
