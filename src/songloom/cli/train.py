"""`songloom prepare` and `songloom train`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songloom import terminal
from songloom.cli.options import PATH, parameters_of, pass_fields
from songloom.machine import suit_training
from songloom.training_request import PrepareRequest, TrainingRequest

if TYPE_CHECKING:
    from songloom.dataset.prepare import Prepared
    from songloom.finetuning.pipeline import FineTuned

_ARGUMENTS = {"dataset_path": "SONGS"}
_SHORT = {"model_version": "--model"}


@click.command(params=parameters_of(PrepareRequest, arguments=_ARGUMENTS, short=_SHORT))
@click.option(
    "--output",
    "-o",
    required=True,
    type=PATH,
    metavar="DATASET",
    help="The folder of the data set.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@pass_fields
def prepare(fields: dict[str, Any], output: Path, as_json: bool) -> None:
    """Make a data set of songs: labels, captions and tokens, to be edited and trained on."""
    request = PrepareRequest.from_mapping(fields)
    with (
        redirect_stdout(sys.stderr),
        terminal.stop_on_interrupt("stopping; what is prepared stays") as stopped,
        terminal.progress_bars("looking for songs") as show,
    ):
        import songloom

        prepared = songloom.prepare(request, output, on_event=show, cancelled=stopped)
    _report_songs(prepared, as_json)


@click.command(params=parameters_of(TrainingRequest, arguments=_ARGUMENTS, short=_SHORT))
@click.option("--restart", is_flag=True, help="Start over, and replace a model of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@pass_fields
def train(fields: dict[str, Any], restart: bool, as_json: bool) -> None:
    """Fine-tune a model on songs, or on a data set. Run again, it resumes where it stopped."""
    request = TrainingRequest.from_mapping(fields)
    suit_training()
    with (
        redirect_stdout(sys.stderr),
        terminal.stop_on_interrupt("stopping after this update") as stopped,
        terminal.progress_bars("starting") as show,
    ):
        import songloom

        trained = songloom.train(request, restart=restart, on_event=show, cancelled=stopped)
    _report_training(trained, as_json)


def _report_songs(prepared: "Prepared", as_json: bool) -> None:
    from songloom.dataset.files import summarize_skipped

    dataset = prepared.dataset
    if as_json:
        result = {
            "folder": str(dataset.folder),
            "songs": len(dataset.songs),
            "held_out": sum(song.held_out for song in dataset.songs),
            "seconds": round(dataset.seconds, 3),
            "seconds_taken": round(prepared.seconds, 3),
            "skipped": [{"file": s.file, "reason": s.reason} for s in prepared.skipped],
        }
        print(json.dumps(result))
        return
    terminal.table(
        ("song", "seconds", "bpm", "key", "labels", ""),
        [
            (
                song.file,
                f"{song.seconds:.0f}",
                f"{song.labels.bpm:.0f}" if song.labels.bpm else "",
                song.labels.key or "",
                _words(song.tags()),
                "held out" if song.held_out else "",
            )
            for song in dataset.songs
        ],
    )
    for file, reason in summarize_skipped(prepared.skipped):
        print(f"skipped {file}: {reason}", file=sys.stderr)
    minutes = dataset.seconds / 60
    songs = "1 song" if len(dataset.songs) == 1 else f"{len(dataset.songs)} songs"
    print(
        f"{songs}, {minutes:.1f} minutes, in {prepared.seconds:.0f} s. "
        f"Captions and labels can be edited in {dataset.folder / 'songs.jsonl'}",
        file=sys.stderr,
    )


def _words(tags: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(
        word for name, words in tags.items() if name not in ("bpm", "key") for word in words
    )


def _report_training(trained: "FineTuned", as_json: bool) -> None:
    from songloom.training.finding_words import describe_as_json, describe_loss, describe_sounds

    before = None if trained.before is None else trained.before.loss
    after = None if trained.after is None else trained.after.loss
    summary = trained.summary
    if as_json:
        result = {
            "name": trained.name,
            "path": str(trained.path),
            "report": str(trained.report),
            "finished": trained.finished,
            "held_out_loss_before": before,
            "held_out_loss_after": after,
            **describe_as_json(summary),
        }
        print(json.dumps(result))
        return
    print(f"{trained.name}  {trained.path}")
    if not trained.finished:
        print("training stopped early, as requested: not all updates were made", file=sys.stderr)
    for line in (*describe_sounds(summary), describe_loss(summary)):
        if line:
            print(line, file=sys.stderr)
    if trained.report.is_file():
        print(f"report, with clips to listen to: {trained.report}", file=sys.stderr)
    print(f"use it: songloom generate --model '{trained.name}' 'your prompt'", file=sys.stderr)
