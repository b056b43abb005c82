"""Copy the page's libraries, as published, from `node_modules` into the package.

Run by `make vendor` after `npm ci`. The files are committed, so that nobody who installs or
changes songloom needs Node.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
TARGET = HERE.parent / "src/songloom/web/vendor"

FILES = {
    "preact": {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "preact-hooks.js"},
    "@preact/signals-core": {"dist/signals-core.mjs": "signals-core.js"},
    "@preact/signals": {"dist/signals.mjs": "signals.js"},
    "htm": {"dist/htm.mjs": "htm.js"},
    "wavesurfer.js": {
        "dist/wavesurfer.esm.js": "wavesurfer.js",
        "dist/plugins/regions.esm.js": "wavesurfer-regions.js",
    },
}
"""What is taken of each package, and what it is called here."""
SOURCE_MAP = "//# sourceMappingURL="


def main() -> None:
    """Replace what is in the package by what npm installed."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    lines = ["Made by `make vendor`: package, version, licence, file, start of its SHA-256.", ""]
    for package, files in FILES.items():
        about = json.loads((MODULES / package / "package.json").read_text())
        licence = f"{package.strip('@').replace('/', '-')}.LICENSE.txt"
        shutil.copyfile(MODULES / package / "LICENSE", TARGET / licence)
        for source, name in files.items():
            text = (MODULES / package / source).read_text()
            # Maps are not packaged, and a browser's tools would ask the server for them.
            kept = [line for line in text.splitlines() if not line.startswith(SOURCE_MAP)]
            data = ("\n".join(kept).rstrip() + "\n").encode()
            (TARGET / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()[:16]
            lines.append(f"{package} {about['version']} {about['license']} {name} {digest}")
    (TARGET / "VERSIONS").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
