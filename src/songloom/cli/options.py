"""Command-line options, made from the fields of a request."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from songloom.fields import FieldSpec, Request, fields_of

_METAVARS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}


def takes_fields(
    request: type[Request],
    *,
    arguments: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of a request.

    The command gets the fields that were given as its first parameter, a dictionary; those left out
    are not in it, so that the request's own defaults hold.

    Args:
        request: the class.
        arguments: fields that are arguments instead of options, with what stands for them in help.
        short: further names of options, by field: `{"model_version": "--model"}`.
    """
    specs = fields_of(request)
    positional, further = arguments or {}, short or {}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]
        # Where a command takes an argument of its own, that comes first in its usage line.
        parameters = [
            *(_argument(spec, positional[spec.name]) for spec in specs if spec.name in positional),
            *own[:1],
            *(
                _option(spec, further.get(spec.name))
                for spec in specs
                if spec.name not in positional
            ),
            *own[1:],
        ]

        @functools.wraps(command)
        def with_fields(**values: Any) -> None:
            given = {spec: values.pop(spec.name) for spec in specs}
            fields = {
                spec.name: spec.parse_text(value) if isinstance(value, str) else value
                for spec, value in given.items()
                if value is not None
            }
            command(fields, **values)

        with_fields.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_fields.__annotations__ = {item.name: item.annotation for item in parameters}
        return with_fields

    return decorate


def _argument(spec: FieldSpec, metavar: str) -> inspect.Parameter:
    argument = typer.Argument(metavar=metavar, help=spec.option.help)
    return _parameter(spec, Annotated[str, argument], inspect.Parameter.empty)


def _option(spec: FieldSpec, further: str | None) -> inspect.Parameter:
    hidden = spec.default in (None, "") or spec.default is False
    told = "" if hidden else f"  [default: {format_default(spec.default)}]"
    name = "--" + spec.name.replace("_", "-")
    if spec.type is bool and spec.default is not False:
        name += f"/--no-{name[2:]}"
    option = typer.Option(
        *([further] if further else []),
        name,
        help=spec.option.help + told,
        metavar=None if spec.type is bool else "|".join(spec.choices) or _METAVARS[spec.type],
    )
    # Texts, which the field reads itself: one place decides what is right, in one wording. None is
    # "not given": the request knows the default.
    return _parameter(spec, Annotated[bool | None if spec.type is bool else str | None, option])


def format_default(default: object) -> str:
    """A field's default, as help and documents show it."""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _parameter(spec: FieldSpec, annotation: Any, default: Any = None) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(spec.name, kind, default=default, annotation=annotation)
