"""What is imported is declared, what is declared is imported, and each has a lowest version."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.lowest_versions import lowest_version, promised_requirements, read_project

ROOT = Path(__file__).parents[1]
OWN = {"songloom", "tests", "recipes", "benchmarks", "docs", "examples"}
THROUGH_OTHERS = {
    "tensorboard": "torch.utils.tensorboard",
    "psycopg": "sqlalchemy",
}
"""Distributions that a library imports for us, by the module of ours that is imported for that."""
FOR_TOOLS = {
    "mypy", "ruff", "types-pyyaml", "pytest-xdist",
    "essentia",  # by pytest.importorskip
    "psycopg",  # by SQLAlchemy
}  # fmt: skip
"""What development needs without an import statement."""
CODE_OF_DEVELOPMENT = ("tests", "recipes", "benchmarks", "docs", "examples")
OTHER_ENVIRONMENTS = {"node_modules", "cog_model"}
"""Folders whose code runs elsewhere: the second by the Cog that results are compared with."""


def imported_modules(*folders: str) -> Iterator[str]:
    """Full names of all modules that code below the folders imports, in functions too."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if OTHER_ENVIRONMENTS & set(path.parts):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module


def third_party(modules: set[str]) -> set[str]:
    """Top-level names that are neither Python's nor ours."""
    top = {module.partition(".")[0] for module in modules}
    return top - set(sys.stdlib_module_names) - OWN


def distributions_of(module: str) -> set[str]:
    """Distributions that provide a top-level module; its own name where none is installed."""
    return {canonicalize_name(name) for name in _installed().get(module, [module])}


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def for_users() -> set[str]:
    """Distributions that are declared for those who install songloom, with any extra."""
    return {canonicalize_name(requirement.name) for requirement in promised_requirements()}


def for_developers() -> set[str]:
    extras = read_project()["optional-dependencies"]
    return names([*extras["dev"], *extras["nano"]])


def test_what_src_imports_is_declared() -> None:
    missing = {
        module
        for module in third_party(set(imported_modules("src")))
        if not distributions_of(module) & for_users()
    }
    assert missing == set(), "declare them in pyproject.toml"


def test_what_an_extra_is_for_is_no_dependency_of_all() -> None:
    """A module of an extra must not be imported when any other module is."""
    project = read_project()
    always = names(project["dependencies"])
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_import = {
            name
            for node in tree.body
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        for module in third_party(at_import):
            assert distributions_of(module) & always, f"{path.name} imports {module} at once"


def test_what_is_declared_is_imported() -> None:
    modules = set(imported_modules("src"))
    used = {name for module in third_party(modules) for name in distributions_of(module)}
    used |= {name for name, module in THROUGH_OTHERS.items() if module in modules}
    assert for_users() - used == set(), "remove them from pyproject.toml"


def test_what_development_imports_is_declared() -> None:
    declared = for_users() | for_developers()
    missing = {
        module
        for module in third_party(set(imported_modules(*CODE_OF_DEVELOPMENT)))
        if not distributions_of(module) & declared
    }
    assert missing == set(), "declare them in an extra of pyproject.toml"


@pytest.mark.slow
def test_what_development_declares_is_used() -> None:
    modules = third_party(set(imported_modules("src", *CODE_OF_DEVELOPMENT)))
    used = {name for module in modules for name in distributions_of(module)}
    assert for_developers() - used - FOR_TOOLS == set()


@pytest.mark.parametrize("requirement", promised_requirements(), ids=lambda item: item.name)
def test_each_has_a_lowest_version_below_what_is_tested(requirement: Requirement) -> None:
    lowest = Version(lowest_version(requirement))
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    pinned = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    assert lowest <= pinned[canonicalize_name(requirement.name)]


def test_a_requirement_without_a_lowest_version_is_told() -> None:
    with pytest.raises(ValueError, match="somewhere names no lowest version"):
        lowest_version(Requirement("somewhere"))
