"""What the documents say holds: commands run, names exist, links lead somewhere."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

import songloom
from songloom.checkpoints.listing import list_models
from songloom.cli import main
from songloom.fields import fields_of
from songloom.request import GenerationRequest
from tests.sines import SineEngine

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def refresh() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quotations_of_the_program_are_current() -> None:
    module = refresh()
    for document in module.DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert module.refreshed(text) == text, f"run python docs/refresh.py ({name_of(document)})"
        assert "--duration" in text


def commands(document: Path) -> list[list[str]]:
    """The `songloom` commands of a document's shell blocks, up to a pipe."""
    lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [
        line[1 : line.index("|") if "|" in line else None]
        for line in words
        if line and line[0] == "songloom"
    ]


def test_commands_are_found() -> None:
    assert len(commands(ROOT / "README.md")) >= 4
    assert len(commands(ROOT / "docs" / "cli.md")) >= 5


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_are_accepted(
    document: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setitem(vars(songloom), "load", SineEngine().load)
    monkeypatch.setitem(vars(songloom), "export", lambda name, folder, format: folder)
    monkeypatch.chdir(tmp_path)
    for command in commands(document):
        for option in ("--input-audio", "--melody-audio", "--weights"):
            if option in command:
                Path(command[command.index(option) + 1]).touch()
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code in (0, None), (command, capfdbinary.readouterr().err)


def python_blocks(document: Path) -> list[ast.Module]:
    return [ast.parse(block) for block in blocks(document, "python")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_python_examples_name_what_exists(document: Path) -> None:
    fields = {spec.name for spec in fields_of(GenerationRequest)}
    for tree in python_blocks(document):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = node.value.id
                if owner == "songloom":
                    assert node.attr in {*songloom.__all__, "request", "errors"}
                elif owner in ("model", "track"):
                    kind = songloom.Model if owner == "model" else songloom.Track
                    assert node.attr in {*dir(kind), *getattr(kind, "__annotations__", ())}
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("songloom"):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("GenerationRequest"):
                assert {word.arg for word in node.keywords} <= fields


def test_python_examples_are_found() -> None:
    assert len(python_blocks(ROOT / "docs" / "python.md")) >= 8
    assert python_blocks(ROOT / "README.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_every_model_and_its_licence_are_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for model in list_models():
        [row] = [row for row in rows if re.search(rf"`{model.name}`", row.split("|")[1])]
        _, _, _, channels, melody, licence, _ = (cell.strip() for cell in row.split("|"))
        assert channels == ("stereo" if model.channels == 2 else "mono")
        assert melody == ("yes" if model.melody else "no")
        assert licence == model.licence


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
        assert named <= targets


def test_the_lock_holds_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    names = {re.split(r"[^\w.-]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names <= locked
