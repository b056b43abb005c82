"""Bring what the documents quote from the program up to date: `python docs/refresh.py`.

Help texts and option tables are the program's own words, and figures come from files of results
(`benchmarks/results/*.json`, `recipes/nano/results.json`). A test fails where they differ.

Figures are written by a template in a comment, whose text follows with the figures filled in:

    <!-- figures
    Of {nano:clips} clips {nano:tempo|.0%} have the tempo.
    -->
    Of 100 clips 87 % have the tempo.
    <!-- /figures -->

`{FILE:NAME|FORMAT}` is the value NAME of the file FILE.json (of nano's for `nano`).
"""

import io
import json
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest import mock

from songloom.cli import main
from songloom.cli.options import format_default
from songloom.fields import FieldSpec, Request, fields_of
from songloom.request import GenerationRequest
from songloom.settings import ServeSettings
from songloom.training_request import PrepareRequest, TrainingRequest

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "docs" / "cli.md",
    ROOT / "docs" / "training.md",
    ROOT / "docs" / "server.md",
    ROOT / "docs" / "benchmarks.md",
)

HELP = re.compile(
    r"(?<=```console\n)\$ songloom(?P<arguments>[^\n]* --help)\n.*?(?=```)", re.DOTALL
)
TABLE = re.compile(
    r"(?P<head><!-- options (?P<request>\w+)(?:: (?P<names>[\w ]+))? -->\n)"
    r".*?(?=<!-- /options -->)",
    re.DOTALL,
)
"""A table of a request's fields: of all, or of those that are named."""
FIGURES = re.compile(
    r"(?P<head><!-- figures\n(?P<template>.*?)-->\n).*?(?=<!-- /figures -->)", re.DOTALL
)
FIGURE = re.compile(r"\{(?P<file>[\w-]+):(?P<name>[^|{}]+)(?:\|(?P<format>[^{}]*))?\}")
NANO = ROOT / "recipes" / "nano" / "results.json"
REQUESTS: dict[str, type[Request]] = {
    request.__name__: request
    for request in (GenerationRequest, PrepareRequest, TrainingRequest, ServeSettings)
}


def refreshed(text: str) -> str:
    """A document's text with its quotations as the program would have them now."""
    text = HELP.sub(lambda match: _help(match["arguments"].split()), text)
    text = TABLE.sub(lambda match: match["head"] + _option_table(match), text)
    return FIGURES.sub(lambda match: match["head"] + with_figures(match["template"]), text)


def with_figures(template: str) -> str:
    """A template's text with the figures of the files of results."""
    return FIGURE.sub(_figure, template)


def results_path(file: str) -> Path:
    """The file of results that a template calls so."""
    return NANO if file == "nano" else ROOT / "benchmarks" / "results" / f"{file}.json"


def _figure(match: re.Match[str]) -> str:
    path = results_path(match["file"])
    results = json.loads(path.read_text(encoding="utf-8"))
    value = {**results["values"], "machine": results["machine"], "date": results["date"]}
    if match["name"] not in value:
        raise KeyError(f"{path.name} has no value {match['name']!r}; it has {', '.join(value)}")
    text = format(value[match["name"]], match["format"] or "")
    return text.replace("%", " %").replace("e-0", "e-")


def _help(arguments: list[str]) -> str:
    page = io.StringIO()
    width = mock.patch.dict(os.environ, {"COLUMNS": "80"})
    with width, redirect_stdout(page), suppress(SystemExit):
        main(arguments)
    return f"$ songloom {' '.join(arguments)}\n{page.getvalue().rstrip()}\n"


def _option_table(match: re.Match[str]) -> str:
    specs = {spec.name: spec for spec in fields_of(REQUESTS[match["request"]])}
    names = match["names"].split() if match["names"] else specs
    rows = ["| Option | Default | Meaning |", "|---|---|---|"]
    rows += [
        f"| {_option(specs[name])} | {_default(specs[name])} | {specs[name].option.help} |"
        for name in names
    ]
    return "\n".join(rows) + "\n"


def _option(spec: FieldSpec) -> str:
    if spec.required:
        return "`SONGS`"
    name = spec.name.replace("_", "-")
    return f"`--{name}`, `--no-{name}`" if spec.default is True else f"`--{name}`"


def _default(spec: FieldSpec) -> str:
    if spec.required:
        return "required"
    if spec.default in (None, ""):
        return "none"
    text = format_default(spec.default)
    return text if isinstance(spec.default, bool) else f"`{text}`"


if __name__ == "__main__":
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = refreshed(before)
        if after != before:
            document.write_text(after, encoding="utf-8")
            print(f"refreshed {document.relative_to(ROOT)}", file=sys.stderr)
