"""Draws docs/report.jpg: the top of a training report, as a browser shows it.

python docs/report_picture.py [REPORT]

The report is `demo/report.html`, which `make demo` writes. Needs Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 1000, 900


def main(report: Path) -> None:
    """Open the report without a network and take its picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(500)  # until the players have read their audio
        page.screenshot(path=ROOT / "docs" / "report.jpg", type="jpeg", quality=85)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "demo" / "report.html")
