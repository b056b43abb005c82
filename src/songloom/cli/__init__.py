"""The `songloom` command. Options are made from the fields of requests.

Nothing heavy is imported before a command needs it, so that `songloom --help` is instant.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from songloom.cli.generate import generate
from songloom.cli.models import export, merge, models
from songloom.cli.serve import serve
from songloom.cli.tokens import tokens
from songloom.cli.train import prepare, train
from songloom.errors import Cancelled, SongloomError
from songloom.version import __version__

app = typer.Typer(
    name="songloom",
    help="MusicGen that you own: write music from words and audio, on your machine.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help costs more time than everything else the command does
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 0, 2 (an expected error, in one line) or 130 (Ctrl-C)."""
    try:
        app(args=arguments, prog_name="songloom")
    except SongloomError as error:
        print(f"songloom: {error}", file=sys.stderr)
        sys.exit(130 if isinstance(error, Cancelled) else 2)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"songloom {__version__}")
        raise typer.Exit


@app.callback()
def _options_of_all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


app.command()(generate)
app.command()(train)
app.command()(prepare)
app.command()(serve)
app.add_typer(tokens, name="tokens")
app.add_typer(models, name="models")
app.command()(merge)
app.command()(export)
