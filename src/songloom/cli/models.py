"""`songloom models`, and what is done with whole models."""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from songloom import terminal
from songloom.cli.options import PATH

if TYPE_CHECKING:
    from songloom.checkpoints.listing import ModelListing


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models and their licences; remove trained ones."""
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
    return f"{size}, without its base" if listing.kind == "adapter" and not listing.local else size


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
@click.argument("name", metavar="NAME", help="A trained model's name.")
@click.option(
    "--keep-run",
    is_flag=True,
    help="Keep the folder of its training: prepared songs and their edits, logs, and an "
    "unfinished training.",
)
@click.option("--force", is_flag=True, help="Remove it even if other models were trained on it.")
def remove(name: str, keep_run: bool, force: bool) -> None:
    """Permanently remove a trained model, with the folder of its training."""
    import songloom
    from songloom.checkpoints.home import run_folder, trained_model

    model = trained_model(name)
    has_run = model is not None and run_folder(model.name).exists()
    print(songloom.remove_model(name, keep_run=keep_run, force=force))
    if has_run:
        verb = "kept" if keep_run else "removed"
        print(f"{verb} {run_folder(name)}, the folder of its training", file=sys.stderr)


@click.command()
@click.argument("model", metavar="MODEL", help="A trained adapter: its name, or its folder.")
@click.argument("folder", type=PATH, metavar="DIR", help="The folder to write.")
@click.option(
    "--base",
    metavar="NAME",
    help="Model to merge the adapter into (default: the one that it was trained on).",
)
def merge(model: str, folder: Path, base: str | None) -> None:
    """Merge an adapter into its base, and write the result as a whole model."""
    with redirect_stdout(sys.stderr):
        import songloom

        if base is None:
            songloom.merge(model, folder)
        else:
            songloom.merge(model, folder, base=base)
    print(folder)


@click.command()
@click.argument("model", metavar="MODEL", help="A name, a hub id, a folder or a file.")
@click.argument("folder", type=PATH, metavar="DIR", help="The folder to write.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["transformers", "reference"]),
    default="transformers",
    metavar="transformers|reference",
    help="Layout of the files: that of transformers, or that of the reference library.",
)
@click.option(
    "--diffusion",
    is_flag=True,
    help="Write the weights of multi-band diffusion too, downloading them (2.6 GB) if necessary; "
    "those in the model's own folder are always written.",
)
def export(
    model: str, folder: Path, layout: Literal["transformers", "reference"], diffusion: bool
) -> None:
    """Write a model's files in another layout."""
    with redirect_stdout(sys.stderr):
        import songloom

        songloom.export(model, folder, format=layout, diffusion=diffusion)
    print(folder)
