"""`songloom serve`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from songloom.cli.options import takes_fields
from songloom.settings import ServeSettings, read_settings


@takes_fields(ServeSettings)
def serve(
    fields: dict[str, Any],
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A TOML file of settings, under the names of these options with _ for -.",
        ),
    ] = None,
) -> None:
    """Serve predictions and trainings over HTTP, as Replicate and Cog do.

    Each option can be set by a variable as well: SONGLOOM_PORT for --port.
    """
    settings = read_settings(fields, config)
    import songloom

    songloom.serve(settings)
