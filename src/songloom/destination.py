"""Where the command line writes: names, formats, and whether a file may be written there at all."""

import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from songloom.errors import OutputError
from songloom.plain_names import plain_name
from songloom.request import GenerationRequest, OutputFormat

STANDARD_OUTPUT = Path("-")

_FORMATS = get_args(OutputFormat)
_LONGEST_NAME = 60  # characters of a prompt; in any script this stays below the 255 bytes of a name


def format_of(output: Path | None, asked: str | None) -> str:
    """The audio format that an output path stands for, where none is asked for.

    Raises:
        OutputError: the extension means no format that can be written, or another one than asked.
    """
    extension = _extension(output)
    if not extension:
        return asked or GenerationRequest.output_format
    if extension in _FORMATS and asked in (None, extension):
        return extension
    if asked and extension not in _FORMATS:
        return asked  # "take.2" is a name like any other once the format is known
    if asked:
        raise OutputError(
            f"output is '{output}', but output_format is {asked!r}, which does not match; "
            f"end the name in .{asked}, or leave --output-format out"
        )
    raise OutputError(
        f"output is '{output}', but must end in {', '.join('.' + name for name in _FORMATS)}; "
        "rename it, or choose a format with --output-format"
    )


def choose_paths(
    output: Path | None, request: GenerationRequest, count: int, overwrite: bool
) -> list[Path]:
    """The files to write, in a folder that takes them; nothing is left on the disk.

    A given file name is used as it is, numbered where `count` is above 1. Without one (None or a
    folder) the files are named after the prompt, and numbered where such files exist already.

    Raises:
        OutputError: a file exists and may not be replaced, or the folder cannot be written to.
    """
    if output is None or _is_folder(output):
        base = (output or Path()) / f"{_slug(request)}.{request.output_format}"
        paths = list(itertools.islice(_free_paths(base, count), count))
    else:
        base = (
            output
            if _extension(output)
            else output.with_name(f"{output.name}.{request.output_format}")
        )
        paths = [base] if count == 1 else [_number_path(base, n) for n in range(1, count + 1)]
        for path in paths:
            _check_replaceable(path, overwrite)
    _check_folder(base)
    return paths


def check_standard_output(count: int, as_json: bool) -> None:
    """Refuse what cannot go to standard output.

    Raises:
        OutputError: several files, JSON in between, or a terminal at the other end.
    """
    if count > 1:
        raise OutputError(
            f"count is {count}, but standard output holds one file; "
            "leave --count out, or name a file with --output"
        )
    if as_json:
        raise OutputError(
            "--json and the audio would both go to standard output; name a file with --output"
        )
    if sys.stdout.isatty():
        raise OutputError(
            "standard output is a terminal, but audio is not text; "
            "redirect it to a file or a player, or name a file with --output"
        )


def _extension(output: Path | None) -> str:
    if output is None or output == STANDARD_OUTPUT or _is_folder(output):
        return ""
    return output.suffix.lower().removeprefix(".")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # a name too long for the disk, say
        raise OutputError(
            f"output is '{path}', but no file can have that name ({error.strerror}); choose another"
        ) from None


def _slug(request: GenerationRequest) -> str:
    text = request.prompt
    if not text.strip():
        text = Path(request.input_audio or request.melody_audio or "").stem
    return plain_name(text.lower(), longest=_LONGEST_NAME).strip("-_") or "music"


def _free_paths(base: Path, count: int) -> Iterator[Path]:
    first = [base] if count == 1 else []
    numbered = (_number_path(base, number) for number in itertools.count(1 + len(first)))
    return (path for path in itertools.chain(first, numbered) if not path.exists())


def _number_path(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _check_replaceable(path: Path, overwrite: bool) -> None:
    if _is_folder(path):
        raise OutputError(f"output is '{path}', but that is a folder; choose another name")
    if path.exists() and not overwrite:
        raise OutputError(
            f"output is '{path}', but such a file exists; choose another name, or pass --overwrite"
        )


def _check_folder(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # trying is surer than reading permissions
    except OSError as error:
        raise OutputError(
            f"output is '{path}', but no file can be written to '{path.parent}' "
            f"({error.strerror}); choose a folder that exists and that you may write to"
        ) from None
