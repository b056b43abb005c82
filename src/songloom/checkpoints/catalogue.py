"""The models that are known by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

NANO = "nano"
NON_COMMERCIAL = "CC-BY-NC 4.0"
"""Licence of the official MusicGen weights, and so of what is fine-tuned from them."""
DIFFUSION_REPO, DIFFUSION_FILE = "facebook/multiband-diffusion", "mbd_musicgen_32khz.th"
"""Where the official diffusion weights for MusicGen's codec lie; their licence is the same."""
LICENSE_URLS = {
    NON_COMMERCIAL: "https://creativecommons.org/licenses/by-nc/4.0/",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}
"""Where to read the licences of known models."""
UNKNOWN_LICENSE = "not stated; ask the maker of the weights"


@dataclass(frozen=True)
class KnownModel:
    """A model that can be asked for by a short name."""

    name: str
    source: str
    """Its hub id; `embedded` for the one that comes with songloom."""
    parameters: str
    """Size of the language model, as its makers state it; empty for the embedded one."""
    channels: int
    melody: bool
    licence: str
    download_bytes: int = 0
    """Approximate size of its download: weights in 32 bits, with codec and text encoder. Only the
    hub knows to the byte."""


def _official_model(name: str, parameters: str, gigabytes: float) -> KnownModel:
    return KnownModel(
        name=name,
        source=f"facebook/musicgen-{name}",
        parameters=parameters,
        channels=2 if name.startswith("stereo-") else 1,
        melody="melody" in name,
        licence=NON_COMMERCIAL,
        download_bytes=round(gigabytes * 1e9),
    )


KNOWN: tuple[KnownModel, ...] = (
    KnownModel(NANO, "embedded", "", 1, True, "Apache-2.0"),
    _official_model("small", "300M", 2.4),
    _official_model("medium", "1.5B", 8.0),
    _official_model("large", "3.3B", 13.7),
    _official_model("melody", "1.5B", 6.2),
    _official_model("melody-large", "3.3B", 10.5),
    _official_model("stereo-small", "300M", 2.4),
    _official_model("stereo-medium", "1.5B", 8.1),
    _official_model("stereo-large", "3.3B", 13.8),
    _official_model("stereo-melody", "1.5B", 6.3),
    _official_model("stereo-melody-large", "3.3B", 10.6),
)


def known_model(name: str) -> KnownModel | None:
    """The known model called `name`, or whose hub id that is."""
    return next((model for model in KNOWN if name in (model.name, model.source)), None)


def embedded_folder() -> Path:
    """Where the embedded model lies."""
    return Path(str(resources.files("songloom"))) / "assets" / NANO


def license_of(name: str, folder: Path) -> str:
    """The licence of a model: a known one's, or what the head of its README.md says."""
    known = known_model(name)
    if known is not None:
        return known.licence
    readme = folder / "README.md"
    if readme.is_file():
        head = readme.read_text("utf-8", errors="replace")[:4000]
        match = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S.*)\n(?:.*\n)*?---", head)
        if match:
            return match[1].strip("\"' ")
    return UNKNOWN_LICENSE
