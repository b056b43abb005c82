"""Every command in the documents is run, or checked as far as that goes; none is left out.

What each kind of command gets:

- `songloom`: those of shell blocks are run by the real command line with the work replaced by
  stand-ins (tests/test_docs.py); those in running text are parsed by it here.
- `make`, `python -m`, `python FILE`: the target, module or file is there and has the options that
  are named. They are not run, for the reasons in `NOT_RUN`.
- `pip`, `pipx`: the extras that they name are declared; installing takes the network.
- `curl`: the server has the route and the method; tests/server send such requests.
- others, such as a reader's own program, are named in `OTHERS` with a reason each.
"""

import ast
import importlib.util
import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Match

from songloom.cli import main
from songloom.server import cog
from songloom.server.replicate import routers
from songloom.server.studio import routers as studio_routers
from tests.test_docs import DOCUMENTS, ROOT, blocks, name_of, stand_in_for_the_work

READ = [
    *DOCUMENTS,
    ROOT / "recipes" / "nano" / "README.md",
    ROOT / "recipes" / "nano" / "RESULTS.md",
    ROOT / "examples" / "songs" / "README.md",
    ROOT / "docs" / "clips" / "README.md",
]
NOT_RUN = {
    "make": {
        "install": "takes the network",
        "demo": "is run for a release: a minute, and reads examples/songs",
        "test": "is what runs this",
        "test-quick": "is what may run this",
        "test-hard": "runs the whole suite many times",
        "test-campaign": "takes hours; a short slice is among the tests",
        "check": "is run beside the tests",
        "bench": "takes half an hour, and an idle machine",
        "judge": "takes many minutes",
        "nano": "takes hours",
        "vendor": "takes the network",
    },
    "python": {
        "benchmarks": "take minutes, and an idle machine; tests/benchmarks test their parts",
        "recipes": "take minutes to hours; tests/recipes run them on small sizes",
        "docs": "need a browser, or write the documents",
        "pytest": "is what runs this",
        "songloom": "is the command line",
    },
}
OTHERS = {
    "export": "sets a variable",
    "python your-program.py": "is the reader's own program",
    "tensorboard": "is another project's program",
    "python -c": "is Python's own; the code is compiled here",
    "python -X": "is Python's own",
}
"""Commands of which nothing here is to be tested, by how they begin."""
SUBCOMMANDS = {
    "generate", "train", "prepare", "serve", "tokens", "create", "revoke", "models", "remove",
    "merge", "export",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command as a document has it."""

    document: str
    words: tuple[str, ...]
    in_block: bool

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


PROGRAM = re.compile(r"(songloom|make|pip|pipx|curl|tensorboard|(\.venv/bin/)?python3?)(\s|$)")
ASSIGNMENT = re.compile(r"[A-Z_]+=")


def documented_commands() -> Iterator[Command]:
    """Commands of shell blocks, and those in running text between backticks."""
    for document in READ:
        name, text = name_of(document), document.read_text(encoding="utf-8")
        for block in blocks(document, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                yield from _commands(name, shlex.split(line, comments=True), in_block=True)
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose):
            if PROGRAM.match(code) and "..." not in code:
                yield from _commands(name, shlex.split(code), in_block=False)


def _commands(document: str, words: list[str], *, in_block: bool) -> Iterator[Command]:
    while words and ASSIGNMENT.match(words[0]):
        words = words[1:]
    if "|" in words:
        words = words[: words.index("|")]
    if words:
        program = re.sub(r"^\.venv/bin/", "", words[0])
        yield Command(document, (program, *words[1:]), in_block)


COMMANDS = sorted(set(documented_commands()), key=str)


def of(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.words[0] == program]


def is_other(command: Command) -> bool:
    return any(" ".join(command.words).startswith(start) for start in OTHERS)


def test_no_command_is_of_an_unknown_kind() -> None:
    kinds = {"songloom", "make", "pip", "pipx", "curl"}
    unknown = [
        str(command)
        for command in COMMANDS
        if command.words[0] not in kinds
        and not is_other(command)
        and not (command.words[0] == "python" and len(command.words) > 1)
    ]
    assert unknown == [], "say in tests/test_documented_commands.py how they are checked"
    assert len(COMMANDS) > 60
    assert {command.words[0] for command in COMMANDS} >= {*kinds, "python"}


def test_every_exception_is_in_a_document() -> None:
    texts = [" ".join(command.words) for command in COMMANDS]
    assert [start for start in OTHERS if not any(text.startswith(start) for text in texts)] == []


@pytest.mark.parametrize("command", [c for c in of("songloom") if not c.in_block], ids=str)
def test_commands_in_running_text_are_accepted(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in_for_the_work(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    names = list(itertools.takewhile(lambda word: word in SUBCOMMANDS, command.words[1:]))
    rest = command.words[1 + len(names) :]
    if "revoke" in names:
        with pytest.raises(SystemExit):
            main(["tokens", "create", *rest])
    is_whole = any(not word.startswith("-") for word in rest)
    with pytest.raises(SystemExit) as stopped:
        main([*names, *rest] if is_whole else [*names, "--help"])
    said = capsys.readouterr()
    assert stopped.value.code in (0, None), said.err
    if not is_whole:  # a command's name, with some of its options: are there such?
        assert all(option in said.out for option in rest)


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_targets_exist_and_it_is_said_why_they_are_not_run(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [word for word in command.words[1:] if "=" not in word]
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
        assert target in NOT_RUN["make"], f"say why make {target} is not run"


@pytest.mark.parametrize(
    "command", [c for c in of("python") if not is_other(c) and len(c.words) > 1], ids=str
)
def test_modules_and_files_are_there_with_their_options(command: Command) -> None:
    if "pytest" in command.words:
        paths = [word for word in command.words if word.startswith("tests/")]
        assert paths
        assert all((ROOT / path).exists() for path in paths)
        return
    source = _source_of(command)
    text = source.read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in text or source.name == "__main__.py"
    package = source.relative_to(ROOT).parts[0] if source.is_relative_to(ROOT) else source.parts[-2]
    assert package in {*NOT_RUN["python"], "src", "tests", "examples"}
    named = {word.partition("=")[0] for word in command.words if word.startswith("--")}
    assert named <= _options_of(text), f"{source.name} has no such options"


def _source_of(command: Command) -> Path:
    if command.words[1] != "-m":
        path = ROOT / command.words[1]
        assert path.is_file(), command.words[1]
        return path
    spec = importlib.util.find_spec(command.words[2])
    assert spec is not None, command.words[2]
    if spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{command.words[2]}.__main__")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _options_of(source: str) -> set[str]:
    """Options that a module, or what all benchmarks share, declares to argparse."""
    options: set[str] = set()
    shared = (ROOT / "benchmarks" / "report.py").read_text(encoding="utf-8")
    for text in (source, shared) if "benchmarks.report" in source else (source,):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_argument"):
                options |= {word.value for word in node.args if isinstance(word, ast.Constant)}
    return options


@pytest.mark.parametrize("command", [*of("pip"), *of("pipx")], ids=str)
def test_extras_that_are_installed_are_declared(command: Command) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"\[([\w,-]+)\]", " ".join(command.words))
    extras = {extra for group in named for extra in group.split(",")}
    assert extras <= set(project["optional-dependencies"])
    assert extras or "pipx" in command.words or "-c" in command.words


@pytest.mark.parametrize("command", of("curl"), ids=str)
def test_the_server_has_the_routes_that_are_asked(command: Command) -> None:
    [url] = [word for word in command.words if word.startswith("http")]
    path = re.sub(r"^https?://[^/]+|\?.*", "", url)
    uploads, sends = "-T" in command.words, "-d" in command.words
    method = "PUT" if uploads else "POST" if sends else "GET"
    app = FastAPI()
    for router in (cog.router, *studio_routers, *routers):
        app.include_router(router)
    scope = {"type": "http", "path": path, "method": method, "root_path": "", "headers": []}
    found = [route.matches(scope)[0] for route in app.routes]
    assert Match.FULL in found, f"no route for {method} {path}"
