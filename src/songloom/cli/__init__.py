"""The `songloom` command. Options are made from the fields of requests.

Nothing heavy is imported before a command needs it, so that `songloom --help` is instant.
"""

import sys
from collections.abc import Sequence

import click

from songloom.cli.generate import generate
from songloom.cli.models import export, merge, models
from songloom.cli.serve import serve
from songloom.cli.tokens import tokens
from songloom.cli.train import prepare, train
from songloom.errors import Cancelled, SongloomError
from songloom.version import __version__


class _Commands(click.Group):
    """Commands that help lists in the order of their addition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, message="songloom %(version)s", help="Show the version.")
def app() -> None:
    """MusicGen that you own: write music from words and audio, on your machine."""


for command in (generate, train, prepare, serve, tokens, models, merge, export):
    app.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 0, 2 (an expected error, in one line) or 130 (Ctrl-C)."""
    try:
        sys.exit(app.main(arguments, prog_name="songloom", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except SongloomError as error:
        print(f"songloom: {error}", file=sys.stderr)
        sys.exit(130 if isinstance(error, Cancelled) else 2)
