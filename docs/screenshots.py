"""Take the pictures of the page anew: `python -m docs.screenshots`.

They show the real page on a real server, with music that nano has just made and a model that it
has just become; only the songs to train on are the examples. Needs Chromium and minutes.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.chromium import ARGUMENTS, chromium_program
from tests.server.processes import ServerProcess, serving

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "page"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip
LARGEST = 200_000
"""Bytes of a picture."""
PIECES = {
    "lo-fi, vibraphone melody, electric piano chords, 75 bpm": ("Rain on the tram", 12, 5),
    "ballad, warm felt piano, slow, C major": (None, 8, 7),
    "swing jazz, saxophone melody, piano chords, 150 bpm": ("Late set", 10, 3),
    "ambient, flute melody, synth pad chords, A lydian": (None, 12, 11),
    "happy bossa nova, flute melody, acoustic guitar chords, drums": (None, 8, 2),
}
TRAINING = {
    "epochs": 2, "updates_per_epoch": 40, "batch_size": 4, "window_seconds": 4, "previews": 2,
    "preview_seconds": 4, "seed": 1,
}  # fmt: skip


def main() -> None:
    """Fill a library, then look at it."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        trained, songs = train(server)
        for prompt, (title, seconds, seed) in PIECES.items():
            make(server, prompt, title, seconds, seed)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium_program(), args=ARGUMENTS)
            look(browser, server.url, "create", "#/create", DESKTOP, "light")
            look(browser, server.url, "create-phone", "#/create", PHONE, "dark")
            look(browser, server.url, "songs", f"#/train/{songs}", DESKTOP, "light")
            look(browser, server.url, "train", f"#/trainings/{trained}", DESKTOP, "dark")
            look(browser, server.url, "library", "#/library", DESKTOP, "light")
            look(browser, server.url, "library-phone", "#/library", PHONE, "light")
            browser.close()


def make(server: ServerProcess, prompt: str, title: str | None, seconds: int, seed: int) -> None:
    """One piece, with a name of its own if it has one, and then a favourite."""
    given = {"prompt": prompt, "duration": seconds, "seed": seed}
    job = server.client.post("/v1/predictions", json={"version": "songloom/nano", "input": given})
    id = job.raise_for_status().json()["id"]
    server.until_status(id, "succeeded")
    if title:
        changes = {"title": title, "favorite": True}
        server.client.patch(f"/v1/library/{id}", json=changes).raise_for_status()


def train(server: ServerProcess) -> tuple[str, str]:
    """A model of the example songs; ids of the training and of the songs."""
    client = server.client
    dataset = client.post("/v1/datasets", json={"name": "Music boxes"}).raise_for_status().json()
    for song in sorted((ROOT / "examples" / "songs").glob("0*")):
        path = f"/v1/datasets/{dataset['id']}/songs"
        client.put(path, params={"path": song.name}, content=song.read_bytes()).raise_for_status()
    server.until(lambda: all(song["status"] == "ready" for song in songs_of(server, dataset)), 300)
    version = client.get("/v1/models/songloom/nano").json()["latest_version"]["id"]
    training = client.post(
        f"/v1/models/songloom/nano/versions/{version}/trainings",
        json={
            "destination": "me/music-boxes",
            "input": TRAINING | {"dataset_path": dataset["urls"]["get"], "model": "nano"},
        },
    )
    id = training.raise_for_status().json()["id"]
    client.patch(f"/v1/library/{id}", json={"title": "Music boxes"}).raise_for_status()
    server.until(
        lambda: server.job(id, "training")["status"] not in ("starting", "processing"), 600
    )
    assert server.job(id, "training")["status"] == "succeeded"
    return id, dataset["id"]


def songs_of(server: ServerProcess, dataset: dict[str, Any]) -> list[dict[str, Any]]:
    """The songs of a collection."""
    found: list[dict[str, Any]] = server.client.get(f"/v1/datasets/{dataset['id']}").json()["songs"]
    return found


def look(browser: Any, url: str, name: str, view: str, screen: dict[str, Any], scheme: str) -> None:
    """Take a picture of a view."""
    context = browser.new_context(**screen, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    page.goto(f"{url}/{view}")
    page.get_by_role("heading").first.wait_for()
    if name == "create":
        words = "funk, trumpet melody, electric piano, bass guitar, drum kit, E dorian"
        page.get_by_label("Describe the music").fill(words)
    if name == "create-phone":
        page.locator("#results article").first.scroll_into_view_if_needed()
        page.evaluate("document.querySelector('#results').scrollIntoView()")
    page.wait_for_load_state("networkidle")
    time.sleep(2)  # until waveforms are drawn
    shot = PICTURES / f"{name}.png"
    page.screenshot(path=shot)
    context.close()
    with Image.open(shot) as picture:
        picture.save(shot.with_suffix(".webp"), quality=88, method=6)
    shot.unlink()
    size = shot.with_suffix(".webp").stat().st_size
    assert size < LARGEST, f"{name} has {size} bytes, but should have less than {LARGEST}"


if __name__ == "__main__":
    main()
