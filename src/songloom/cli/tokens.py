"""`songloom tokens`: who may use a server."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from songloom import terminal
from songloom.errors import RequestError
from songloom.fields import fields_of
from songloom.settings import ServeSettings, read_settings

if TYPE_CHECKING:
    from songloom.jobs.store.store import Store

tokens = typer.Typer(help="List the tokens that a server accepts; create and revoke them.")

_HELP = {spec.name: spec.option.help for spec in fields_of(ServeSettings)}

# Where a server keeps its tokens is given as `songloom serve` is given it.
DatabaseOption = Annotated[
    str | None, typer.Option("--database", metavar="TEXT", help=_HELP["database"])
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="PATH", help=_HELP["folder"])
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="PATH", help="The TOML file that `songloom serve` is given."),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Whom or what the token is for, such as laptop.")
]


@tokens.callback(invoke_without_command=True)
def list_tokens(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array instead of a table.")
    ] = False,
    database: DatabaseOption = None,
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """List the tokens that a server accepts; create and revoke them."""
    if context.invoked_subcommand is not None:
        if database or folder or config:
            raise RequestError(
                "database, folder and config are given before the command's name, but must come "
                f"after it: songloom tokens {context.invoked_subcommand} NAME --folder PATH"
            )
        return
    with _store(database, folder, config) as store:
        found = store.tokens()
    if as_json:
        made = [{"name": it.name, "created_at": it.created_at.isoformat()} for it in found]
        print(json.dumps(made))
        return
    terminal.table(
        ["name", "created"],
        [[it.name, it.created_at.astimezone().strftime("%Y-%m-%d %H:%M")] for it in found],
    )


@tokens.command()
def create(
    name: NameArgument,
    database: DatabaseOption = None,
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Create a token and print it, this once."""
    from songloom.jobs.store.api_tokens import LONGEST_NAME, hash_token, may_be_name, new_token
    from songloom.jobs.store.records import Token

    if not may_be_name(name):
        raise RequestError(
            f"NAME is {name!r}, but must be a name of at most {LONGEST_NAME} characters; choose "
            "one by which you will know the token"
        )
    token = new_token()
    with _store(database, folder, config) as store:
        store.add_token(Token(name, hash_token(token)))
    print(token)
    print("Keep it: it is not shown again.", file=sys.stderr)


@tokens.command()
def revoke(
    name: NameArgument,
    database: DatabaseOption = None,
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Let nobody in with a token any more."""
    with _store(database, folder, config) as store:
        if not store.remove_token(name):
            names = ", ".join(repr(token.name) for token in store.tokens()) or "none"
            raise RequestError(f"there is no token {name!r} to revoke; the tokens are: {names}")
    print(name)


@contextmanager
def _store(database: str | None, folder: Path | None, config: Path | None) -> "Iterator[Store]":
    from songloom.jobs.paths import database_url
    from songloom.jobs.store.store import Store

    given = {"database": database, "folder": folder}
    flags = {key: value for key, value in given.items() if value is not None}
    store = Store(database_url(read_settings(flags, config)))
    try:
        yield store
    finally:
        store.close()
