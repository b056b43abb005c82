"""Command-line options, made from the fields of a request."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from songloom.fields import FieldSpec, Request, fields_of

PATH = click.Path(path_type=Path)
_METAVARS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}

pass_fields = click.make_pass_decorator(dict, ensure=True)
"""Gives a command the fields that were given, parsed, as its first parameter; those left out are
not among them, so that the request's own defaults hold."""


def parameters_of(
    request: type[Request],
    *,
    arguments: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
) -> list[click.Parameter]:
    """One parameter of a command per field of a request; see `pass_fields`.

    Args:
        request: the class.
        arguments: fields that are arguments instead of options, with what stands for them in help.
        short: further names of options, by field: `{"model_version": "--model"}`.
    """
    metavars, names = arguments or {}, short or {}
    return [
        _argument(spec, metavars[spec.name])
        if spec.name in metavars
        else _option(spec, names.get(spec.name))
        for spec in fields_of(request)
    ]


def _argument(spec: FieldSpec, metavar: str) -> click.Argument:
    return click.Argument(
        [spec.name],
        metavar=metavar,
        help=spec.option.help,
        expose_value=False,
        callback=functools.partial(_keep_field, spec),
    )


def _option(spec: FieldSpec, short: str | None) -> click.Option:
    has_default = spec.default not in (None, "") and spec.default is not False
    default = f"  [default: {format_default(spec.default)}]" if has_default else ""
    name = "--" + spec.name.replace("_", "-")
    if spec.type is bool and spec.default is not False:
        name += f"/--no-{name[2:]}"
    # Texts, which the field reads itself: one place decides what is right, in one wording. None is
    # "not given": the request knows the default.
    return click.Option(
        [*([short] if short else []), name],
        help=spec.option.help + default,
        metavar=None if spec.type is bool else "|".join(spec.choices) or _METAVARS[spec.type],
        is_flag=spec.type is bool,
        default=None,
        expose_value=False,
        callback=functools.partial(_keep_field, spec),
    )


def _keep_field(spec: FieldSpec, context: click.Context, _: click.Parameter, value: Any) -> None:
    if value is not None:
        fields = context.ensure_object(dict)
        fields[spec.name] = spec.parse_text(value) if isinstance(value, str) else value


def format_default(default: object) -> str:
    """A field's default, as help and documents show it."""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)
