"""`songloom generate`."""

import json
import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songloom import destination, terminal
from songloom.cli.options import PATH, parameters_of, pass_fields
from songloom.errors import AudioError, ModelError, RequestError
from songloom.request import GenerationRequest

if TYPE_CHECKING:
    from songloom.generation.precision import DType
    from songloom.generation.track import Track

DEFAULT_MODEL = "nano"


@click.command(params=parameters_of(GenerationRequest))
@click.argument(
    "words", required=False, metavar="[PROMPT]", help="What to play; the same as --prompt."
)
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    metavar="NAME",
    help="A name that `songloom models` lists, a hub id, or a folder.",
)
@click.option(
    "--weights",
    type=PATH,
    metavar="PATH",
    help="Fine-tuned weights, a file or a folder, used in place of --model; what they lack "
    "(codec, text encoder) is taken from --model where that is given.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1,
    metavar="INTEGER",
    help="How many variations to make: seed, seed + 1, ...",
)
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="PATH",
    help="File or folder to write to, or - for standard output. The extension decides the "
    "format. Without it, the file is named after the prompt.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists already.")
@click.option(
    "--device",
    default="auto",
    metavar="NAME",
    help="Where to compute: cpu, cuda, mps, or auto (CUDA where there is one, else CPU).",
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "float16", "bfloat16"]),
    default="auto",
    metavar="auto|float32|float16|bfloat16",
    help="Precision of the weights; auto is the fastest that is accurate.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per file instead of text."
)
@pass_fields
def generate(
    fields: dict[str, Any],
    words: str | None,
    model: str,
    weights: Path | None,
    count: int,
    output: Path | None,
    overwrite: bool,
    device: str,
    dtype: "DType",
    as_json: bool,
) -> None:
    """Generate music from a prompt, from audio, or from both."""
    if words is not None:
        if "prompt" in fields:
            raise RequestError(
                f"prompt is given twice, as {words!r} and as --prompt {fields['prompt']!r}; "
                "leave one of them out"
            )
        fields["prompt"] = words
    fields["output_format"] = destination.format_of(output, fields.get("output_format"))
    request = GenerationRequest.from_mapping(fields)
    requests = [
        request if request.seed is None else replace(request, seed=request.seed + step)
        for step in range(count)
    ]
    _check_inputs(request, weights)
    if output == destination.STANDARD_OUTPUT:
        destination.check_standard_output(count, as_json)
        [track], _ = _generate(requests, model, weights, device, dtype)
        track.save(sys.stdout.buffer, track.request.output_format)
        print(_line(track, "standard output"), file=sys.stderr)
        return
    paths = destination.choose_paths(output, request, count, overwrite)
    tracks, seconds_taken = _generate(requests, model, weights, device, dtype)
    for track, path in zip(tracks, paths, strict=True):
        track.save(path, track.request.output_format)
        _report(track, path, seconds_taken, as_json)


def _check_inputs(request: GenerationRequest, weights: Path | None) -> None:
    """Look for the files before a model is loaded, which may take minutes."""
    for name, path in (
        ("input_audio", request.input_audio),
        ("melody_audio", request.melody_audio),
    ):
        if path is not None and not (_exists(path) and path.is_file()):
            problem = "that is not a file" if _exists(path) else "there is no such file"
            raise AudioError(f"{name} is '{path}', but {problem}; give the path of an audio file")
    if weights is not None and not _exists(weights):
        raise ModelError(
            f"weights is '{weights}', but there is no such file or folder; "
            "give the path of fine-tuned weights, or leave it out to use --model"
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the disk, or a folder that may not be looked into
        return False


def _generate(
    requests: list[GenerationRequest],
    model: str,
    weights: Path | None,
    device: str,
    dtype: "DType",
) -> tuple[list["Track"], float]:
    """Load a model and generate; return the tracks and the seconds that generating them took."""
    # Whatever a library prints must not end up among the results.
    with redirect_stdout(sys.stderr), terminal.progress_bars(f"loading {weights or model}") as show:
        import songloom

        name, base = (model, None) if weights is None else (str(weights), _base(model))
        loaded = songloom.load(name, device=device, dtype=dtype, base=base, on_event=show)
        started = time.monotonic()
        tracks = loaded.generate(requests, on_event=show)
        seconds_taken = time.monotonic() - started
    seconds = sum(track.seconds for track in tracks)
    print(
        f"{seconds:.1f} s of audio in {seconds_taken:.1f} s "
        f"({seconds / seconds_taken:.1f}x real time), {loaded.info.name}, {loaded.info.licence}",
        file=sys.stderr,
    )
    return tracks, seconds_taken


def _base(model: str) -> str | None:
    """The model that completes fine-tuned weights; the default one is nobody's base but its own."""
    return None if model == DEFAULT_MODEL else model


def _report(track: "Track", path: Path, seconds_taken: float, as_json: bool) -> None:
    if not as_json:
        print(_line(track, path))
        return
    result = {
        "path": str(path),
        "model": track.model,
        "seed": track.seed,
        "duration": track.seconds,
        "sample_rate": track.sample_rate,
        "channels": track.audio.shape[0],
        "seconds_taken": round(seconds_taken, 3),
    }
    print(json.dumps(result))


def _line(track: "Track", place: Path | str) -> str:
    return f"{place}  {track.seconds:.1f} s  seed {track.seed}"
