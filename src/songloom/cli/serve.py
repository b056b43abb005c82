"""`songloom serve`."""

from pathlib import Path
from typing import Any

import click

from songloom.cli.options import PATH, parameters_of, pass_fields
from songloom.settings import ServeSettings, read_settings


@click.command(params=parameters_of(ServeSettings))
@click.option(
    "--config",
    type=PATH,
    metavar="PATH",
    help="A TOML file of settings, under the names of these options with _ for -.",
)
@pass_fields
def serve(fields: dict[str, Any], config: Path | None) -> None:
    """Serve predictions and trainings over HTTP, as Replicate and Cog do.

    Each option can be set by a variable as well: SONGLOOM_PORT for --port.
    """
    settings = read_settings(fields, config)
    import songloom

    songloom.serve(settings)
