"""`songloom tokens`: who may use a server."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songloom import terminal
from songloom.cli.options import PATH
from songloom.errors import RequestError
from songloom.fields import fields_of
from songloom.settings import ServeSettings, read_settings

if TYPE_CHECKING:
    from songloom.jobs.store.store import Store

_HELP = {spec.name: spec.option.help for spec in fields_of(ServeSettings)}


def _add_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a server keeps its tokens, as `songloom serve` has them."""
    for option in (
        click.option(
            "--config",
            type=PATH,
            metavar="PATH",
            help="The TOML file that `songloom serve` is given.",
        ),
        click.option("--folder", type=PATH, metavar="PATH", help=_HELP["folder"]),
        click.option("--database", metavar="TEXT", help=_HELP["database"]),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@_add_place
@click.pass_context
def tokens(
    context: click.Context,
    as_json: bool,
    database: str | None,
    folder: Path | None,
    config: Path | None,
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
@click.argument("name", metavar="NAME", help="Who or what the token is for, such as laptop.")
@_add_place
def create(name: str, database: str | None, folder: Path | None, config: Path | None) -> None:
    """Create a token and print it; it is not shown again."""
    from songloom.jobs.store.api_tokens import LONGEST_NAME, hash_token, may_be_name, new_token
    from songloom.jobs.store.records import Token

    if not may_be_name(name):
        raise RequestError(
            f"NAME is {name!r}, but must be a name of at most {LONGEST_NAME} characters; choose "
            "one that tells you later what the token is for"
        )
    token = new_token()
    with _store(database, folder, config) as store:
        store.add_token(Token(name, hash_token(token)))
    print(token)
    print("Keep it: it is not shown again.", file=sys.stderr)


@tokens.command()
@click.argument("name", metavar="NAME", help="Who or what the token is for, such as laptop.")
@_add_place
def revoke(name: str, database: str | None, folder: Path | None, config: Path | None) -> None:
    """Revoke a token: the server accepts it no longer."""
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
