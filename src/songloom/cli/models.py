"""`songloom models`, and what is done with whole models."""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from songloom import terminal

if TYPE_CHECKING:
    from songloom.checkpoints.listing import ModelListing

models = typer.Typer(help="List the models and their licences; remove trained ones.")


@models.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array instead of a table.")
    ] = False,
) -> None:
    """List the models and their licences."""
    if context.invoked_subcommand is not None:
        return
    import songloom

    listings = songloom.list_models()
    if as_json:
        print(json.dumps([asdict(listing) for listing in listings], default=str))
        return
    trained = any(_is_trained(listing) for listing in listings)
    header = ["name", "parameters", "channels", "melody", "licence", "on this machine"]
    rows = [
        [
            listing.name,
            listing.parameters,
            _channels(listing),
            _melody(listing),
            listing.licence,
            _size(listing),
            *([_origin(listing)] if trained else []),
        ]
        for listing in listings
    ]
    terminal.table([*header, "trained from"] if trained else header, rows)


def _channels(listing: "ModelListing") -> str:
    return {None: "?", 1: "mono", 2: "stereo"}.get(listing.channels, str(listing.channels))


def _melody(listing: "ModelListing") -> str:
    return {None: "?", True: "yes", False: "no"}[listing.melody]


def _size(listing: "ModelListing") -> str:
    if listing.size_bytes is None:
        return "no"
    size = f"{listing.size_bytes / 1e6:.0f} MB"
    return f"{size}, its base not" if listing.kind == "adapter" and not listing.local else size


def _is_trained(listing: "ModelListing") -> bool:
    return listing.kind in ("adapter", "full", "broken")


def _origin(listing: "ModelListing") -> str:
    match listing.kind:
        case "adapter":
            return listing.base or "?"
        case "full":
            return f"{listing.base or '?'} (all weights)"
        case "broken":
            return "broken: files are missing"
        case _:
            return ""


@models.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A trained model's name.")],
    keep_run: Annotated[
        bool,
        typer.Option(
            "--keep-run",
            help="Keep the folder of its training: prepared songs and their edits, logs, and a "
            "training that is not finished.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove it even if other models were trained on it.")
    ] = False,
) -> None:
    """Remove a trained model for good, with the folder of its training."""
    import songloom
    from songloom.checkpoints.home import run_folder, trained_model

    model = trained_model(name)
    has_run = model is not None and run_folder(model.name).exists()
    print(songloom.remove_model(name, keep_run=keep_run, force=force))
    if has_run:
        verb = "kept" if keep_run else "removed"
        print(f"{verb} {run_folder(name)}, the folder of its training", file=sys.stderr)


def merge(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A trained adapter: its name, or its folder.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model to merge the adapter into (default: the one that it was trained on).",
        ),
    ] = None,
) -> None:
    """Make a whole model of an adapter and its base."""
    with redirect_stdout(sys.stderr):
        import songloom

        if base is None:
            songloom.merge(model, folder)
        else:
            songloom.merge(model, folder, base=base)
    print(folder)


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A name, a hub id, a folder or a file.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    layout: Annotated[
        Literal["transformers", "reference"],
        typer.Option(
            "--format",
            metavar="transformers|reference",
            help="Whose layout: that of transformers, or that of the reference library.",
        ),
    ] = "transformers",
    diffusion: Annotated[
        bool,
        typer.Option(
            "--diffusion",
            help="Write the weights of multi-band diffusion too, fetching them (2.6 GB) if need "
            "be; those in the model's own folder always come along.",
        ),
    ] = False,
) -> None:
    """Write a model's files in another layout."""
    with redirect_stdout(sys.stderr):
        import songloom

        songloom.export(model, folder, format=layout, diffusion=diffusion)
    print(folder)
