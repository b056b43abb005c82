"""Imports point one way, and what must start fast imports nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import songloom

PACKAGE = Path(songloom.__file__).parent

# A package may import those of earlier lines; packages that share a line do not know each other.
# A module belongs to the longest name here that its own begins with.
LAYERS: list[set[str]] = [
    {"version", "errors", "clock"},
    {"whole_files", "machine", "plain_names"},
    {"progress"},
    {"fields"},
    {"request"},
    {"training_request"},
    {"audio", "models"},
    {"checkpoints"},
    {"generation", "dataset", "training"},
    {"finetuning"},
    {"settings"},
    {"jobs.store"},
    {"jobs"},
    {"terminal", "destination"},
    {"web"},
    {"server.http"},
    {"server.files", "server.processes"},
    {"server.datasets"},
    {"server.inputs"},
    {"server.render"},
    {"server.webhooks", "server.streams", "server.page"},
    {"server.services"},
    {"server.dependencies", "server.creation", "server.live_audio"},
    {"server.replicate", "server.studio", "server.cog"},
    {"server", "cli", "jobs.workers"},
    {"__main__"},
]
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
COMPUTES = "jobs.workers"
"""The one package on the server's side that imports PyTorch: it runs in processes of its own."""
# The package's own names are its public face, for those who stand outside of it.
MAY_USE_THE_PUBLIC_API = {"cli", "__main__"}


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path: Path) -> str:
    """A file's module, without the package's own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """The entry of `LEVELS` that a module belongs to, or the module's own first name."""
    parts = module.split(".")
    names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((name for name in names if name in LEVELS), parts[0])


def imports_of(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Each imported module's full name, with the names taken from it; those in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            yield node.module or "", [alias.name for alias in node.names]


def faults(package: str, tree: ast.AST) -> list[str]:
    found = []
    for module, names in imports_of(tree):
        top, _, inner = module.partition(".")
        if top != "songloom":
            continue
        # `from a import b` may name a module: of those that do, some have a level of their own.
        others = {package_of(f"{inner}.{name}".strip(".")) for name in names or [""]}
        if not inner:
            public = sorted(others - set(LEVELS))
            others &= set(LEVELS)
            if public and package not in MAY_USE_THE_PUBLIC_API:
                found.append(f"{package} uses the public API: {public}")
        found += [
            f"{package} imports {other}"
            for other in sorted(others)
            if other != package and not LEVELS[other] < LEVELS[package]
        ]
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_earlier_layers(path: Path) -> None:
    package = package_of(module_of(path))
    assert package in LEVELS, f"{package} is new: give it a layer"
    assert faults(package, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("audio", "from songloom.models.codec import Codec"),
        ("models", "import songloom.audio.files"),
        ("generation", "def f():\n    from songloom.training import loop"),
        ("checkpoints", "from songloom.generation.model import load"),
        ("jobs", "from songloom import cli"),
        ("jobs", "from songloom.jobs import workers"),
        ("jobs.store", "from songloom.jobs import paths"),
        ("finetuning", "from songloom.jobs.store.records import Job"),
        ("server", "from songloom.jobs.workers.model_cache import ModelCache"),
        ("server.http", "from songloom.server import page"),
        ("server.files", "from songloom.server.datasets.store import DatasetStore"),
        ("server.render", "from songloom.server.replicate import jobs"),
        ("server.studio", "from songloom.server.replicate.jobs import job_routes"),
        ("request", "from songloom.progress import ProgressEvent\nimport songloom"),
        ("generation", "from songloom import load"),
        ("training", "from songloom import __version__"),
    ],
)
def test_a_wrong_import_is_found(package: str, source: str) -> None:
    assert faults(package, ast.parse(source)) != []


def test_a_right_import_is_let_through() -> None:
    source = "from songloom.version import __version__\nfrom songloom.audio import files"
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


@pytest.mark.slow
def test_the_server_s_process_computes_nothing() -> None:
    modules = [module_of(path) for path in sources()]
    imported = [
        f"songloom.{module}"
        for module in modules
        if module.split(".")[0] in ("jobs", "server") and package_of(module) != COMPUTES
    ]
    assert {"songloom.jobs.store.store", "songloom.jobs.dispatcher"} < set(imported)
    assert imported_by(f"import {', '.join(imported)}") & HEAVY == set()


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


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
