"""Bring what the documents quote from the program up to date: `python docs/refresh.py`.

Help texts and the option table are the program's own words. A test fails where they differ.
"""

import io
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest import mock

from songloom.cli import main
from songloom.fields import FieldSpec, fields_of
from songloom.request import GenerationRequest

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "cli.md")

HELP = re.compile(
    r"(?<=```console\n)\$ songloom(?P<arguments>[^\n]* --help)\n.*?(?=```)", re.DOTALL
)
TABLE = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.DOTALL)


def refreshed(text: str) -> str:
    """A document's text with its quotations as the program would have them now."""
    text = HELP.sub(lambda match: _help(match["arguments"].split()), text)
    return TABLE.sub(lambda _: _option_table(), text)


def _help(arguments: list[str]) -> str:
    page = io.StringIO()
    width = mock.patch.dict(os.environ, {"COLUMNS": "80"})
    with width, redirect_stdout(page), suppress(SystemExit):
        main(arguments)
    return f"$ songloom {' '.join(arguments)}\n{page.getvalue().rstrip()}\n"


def _option_table() -> str:
    rows = ["| Option | Default | Meaning |", "|---|---|---|"]
    rows += [
        f"| `--{spec.name.replace('_', '-')}` | {_default(spec)} | {spec.option.help} |"
        for spec in fields_of(GenerationRequest)
    ]
    return "\n".join(rows) + "\n"


def _default(spec: FieldSpec) -> str:
    if spec.default in (None, ""):
        return "none"
    if isinstance(spec.default, bool):
        return "off"
    return f"`{spec.default:g}`" if isinstance(spec.default, float) else f"`{spec.default}`"


if __name__ == "__main__":
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = refreshed(before)
        if after != before:
            document.write_text(after, encoding="utf-8")
            print(f"refreshed {document.relative_to(ROOT)}", file=sys.stderr)
