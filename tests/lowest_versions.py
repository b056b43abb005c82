"""Constraints that hold every dependency at the lowest version that pyproject.toml declares.

    python tests/lowest_versions.py > lowest.txt

To try them: install the pinned torch into a new environment first, so that the build of it is the
one that is meant, then `pip install -c lowest.txt -e '.[dev,tagging,clap,postgres]'`, then run the
tests. What tests and development alone need stays as `constraints.txt` has it.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DEVELOPMENT = {"dev", "nano"}
"""Extras whose versions are no promise to those who install songloom."""


def read_project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


def promised_requirements() -> list[Requirement]:
    """What users install: the dependencies, and those of the extras that are for them."""
    project = read_project()
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for name, lines in extras.items() if name not in DEVELOPMENT for line in lines),
    ]
    return [Requirement(line) for line in lines]


def lowest_version(requirement: Requirement) -> str:
    """The lowest version that a requirement allows.

    Raises:
        ValueError: it names none.
    """
    for specifier in requirement.specifier:
        if specifier.operator in (">=", "=="):
            return specifier.version
    raise ValueError(f"{requirement} names no lowest version; write {requirement.name}>=VERSION")


def development_pins(promised: set[str]) -> list[str]:
    """The lines of constraints.txt for what development alone needs."""
    extras = read_project()["optional-dependencies"]
    tools = {
        canonicalize_name(Requirement(line).name) for name in DEVELOPMENT for line in extras[name]
    }
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(line.partition("==")[0]): line for line in lines if "==" in line}
    return [pins[name] for name in sorted(tools - promised) if name in pins]


def main() -> None:
    """Print a line for each."""
    lowest = {canonicalize_name(r.name): lowest_version(r) for r in promised_requirements()}
    lines = [f"{name}=={version}" for name, version in sorted(lowest.items())]
    lines += development_pins(set(lowest))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
