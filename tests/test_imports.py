"""Imports point one way, and what must start fast imports nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import songloom

PACKAGE = Path(songloom.__file__).parent

# A room may import the rooms of earlier lines; rooms that share a line do not know each other.
LAYERS: list[set[str]] = [
    {"errors"},
    {"whole_files", "machine", "plain_names"},
    {"progress"},
    {"fields"},
    {"request"},
    {"audio", "models"},
    {"checkpoints"},
    {"generation", "dataset", "training"},
    {"settings"},
    {"jobs"},
    {"terminal", "destination"},
    {"server", "cli"},
    {"__main__"},
]
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# The package's own names are its public face, for those who stand outside of it.
MAY_USE_THE_PUBLIC_API = {"cli", "server", "__main__"}


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Each imported module's full name, with the names taken from it; those in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            yield node.module or "", [alias.name for alias in node.names]


def faults(room: str, tree: ast.AST) -> list[str]:
    found = []
    for module, names in imports_of(tree):
        if module.split(".")[0] != "songloom":
            continue
        if module == "songloom":
            rooms = [name for name in names if name in LEVELS]
            public = [name for name in names if name not in LEVELS and name != "__version__"]
            if (public or not names) and room not in MAY_USE_THE_PUBLIC_API:
                found.append(f"{room} uses the public API: {public}")
        else:
            rooms = [module.split(".")[1]]
        found += [
            f"{room} imports {other}"
            for other in rooms
            if other != room and not LEVELS[other] < LEVELS[room]
        ]
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_earlier_layers(path: Path) -> None:
    room = room_of(path)
    assert room in LEVELS, f"{room} is new: give it a layer"
    assert faults(room, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("audio", "from songloom.models.codec import Codec"),
        ("models", "import songloom.audio.files"),
        ("generation", "def f():\n    from songloom.training import loop"),
        ("checkpoints", "from songloom.generation.model import load"),
        ("jobs", "from songloom import cli"),
        ("request", "from songloom.progress import ProgressEvent\nimport songloom"),
        ("generation", "from songloom import load"),
    ],
)
def test_a_wrong_import_is_found(room: str, source: str) -> None:
    assert faults(room, ast.parse(source)) != []


def test_a_right_import_is_let_through() -> None:
    source = (
        "from songloom import __version__\nfrom songloom.audio.files import Audio\nimport torch"
    )
    assert faults("generation", ast.parse(source)) == []


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded once it ran `code`."""
    # Some installations load modules at every start (for coverage, say): those do not count.
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


HEAVY = {"torch", "transformers", "numpy", "librosa", "scipy", "soundfile", "av", "huggingface_hub"}


@pytest.mark.parametrize(
    "module", ["errors", "progress", "request", "audio", "terminal", "destination", "cli"]
)
def test_light_modules_stay_light(module: str) -> None:
    assert imported_by(f"import songloom.{module}") & (HEAVY | {"rich"}) == set()


COMPUTING = {
    "device_facts",
    "sound_worker",
    "clips",
    "comparison",
    "decoder_tuning",
    "estimation_worker",
    "feasibility",
    "findings",
    "finetune",
    "runs",
    "shelf",
    "worker",
    "training_summary",
    "training_worker",
    "analysis_worker",
    "input_worker",
    "input_readers",
    "listening",
}
"""Modules of `jobs` that run in processes of their own; the server's has none of them."""


@pytest.mark.slow
def test_the_server_s_process_computes_nothing() -> None:
    folders = (PACKAGE / "jobs", PACKAGE / "server")
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in paths
        if path.stem not in COMPUTING
    ]
    assert {"songloom.jobs.store", "songloom.jobs.dispatcher"} < set(modules)
    assert imported_by(f"import {', '.join(modules)}") & HEAVY == set()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["generate", "--help"], ["--version"], ["models"], ["tokens"]]
)
def test_commands_that_compute_nothing_load_no_torch(arguments: list[str]) -> None:
    code = f"""
import contextlib, io
from songloom.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main({arguments!r})
"""
    assert "torch" not in imported_by(code)
