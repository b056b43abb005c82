"""A fine-tuning from songs to a model with a name: prepare, train, compare, publish."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints.bases import find_dependents
from songloom.checkpoints.components import Components
from songloom.checkpoints.home import model_folder, run_folder, trained_model
from songloom.checkpoints.hub import name_for_good
from songloom.checkpoints.load import load_components
from songloom.dataset import manifest
from songloom.dataset.files import summarize_skipped
from songloom.dataset.manifest import Dataset, is_dataset, read_dataset
from songloom.dataset.prepare import check_fits, prepare
from songloom.errors import (
    Cancelled,
    DatasetError,
    ModelError,
    OutputError,
    SongloomError,
    TrainingError,
)
from songloom.fields import fields_of
from songloom.finetuning.comparison import Comparison, compare, preview_prompts
from songloom.finetuning.decoder_tuning import TunedDecoder, tune_decoder
from songloom.finetuning.feasibility import check_feasible
from songloom.finetuning.findings import Excerpts, measure_ceiling, measure_findings, read_excerpts
from songloom.finetuning.history import REPORT
from songloom.finetuning.naming import derive_model_name
from songloom.finetuning.previews import Previews, keep_comparison
from songloom.finetuning.run_folder import DATASET, clear_state, lock_run, log_events
from songloom.finetuning.summary import collect_facts, summarize_training
from songloom.generation.precision import resolve_device
from songloom.models.codec import Codec
from songloom.models.lm import LM
from songloom.models.text import MAX_TOKENS
from songloom.progress import Notice, ProgressCallback, Stage
from songloom.training.batches import TrainingSong
from songloom.training.loop import Trainer, TrainingResult
from songloom.training.plan import make_plan, make_trainable
from songloom.training.publish import write_about, write_card, write_weights
from songloom.training.report import write_report
from songloom.training.state import Measured
from songloom.training.summary import Findings, TrainingSummary
from songloom.training_request import TrainingRequest

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FineTuned:
    """A finished fine-tuning."""

    name: str
    path: Path
    """The model's folder."""
    report: Path
    """The report, an HTML file."""
    dataset: Dataset
    before: Measured | None
    """Loss of the base model on the held-out songs; None where none are held out."""
    after: Measured | None
    """Loss of the new model on them."""
    finished: bool
    """Whether all updates were made; otherwise time ran out, or patience."""
    summary: TrainingSummary
    """All that is known of it, and was measured."""


def train(
    request: TrainingRequest,
    *,
    restart: bool = False,
    on_event: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FineTuned:
    """Fine-tune a model on songs; the result is found by its name from then on.

    Stopped at any time, even by force, the same call goes on where it was.

    Args:
        request: songs, base model and settings.
        restart: begin anew, even where such a training was begun or finished before.
        on_event: told of stages, progress and measurements.
        cancelled: asked often; once it says True, the state is saved and `Cancelled` raised.

    Raises:
        DatasetError: there are no songs to train on, or they were prepared for another codec.
        ModelError: the base model cannot be loaded, or the name is no name for a model.
        TrainingError: the name is taken, the same training runs already, or training went wrong.
        OutputError: something cannot be written.
        Cancelled: see `cancelled`.
    """
    tell = on_event or (lambda event: None)
    # By this name the model is found again from any folder.
    request = replace(request, model_version=name_for_good(request.model_version))
    name = request.name or derive_model_name(request.dataset_path)
    target, run = _folders(request, name)
    with lock_run(run, name):
        if restart:
            clear_state(run)
            _warn_of_dependents(name, tell)
        elif trained_model(name) is not None:
            raise TrainingError(
                f"there is a model {name!r} already, in {target}; choose another name, remove it "
                f"(`songloom models remove {name}`), or replace it with --restart"
            )
        device = resolve_device(request.device)
        tell(Stage(f"loading {request.model_version}"))
        base = load_components(request.model_version, on_event=on_event)
        fingerprint = "" if base.source is None else base.source.fingerprint()
        check_feasible(request, base, device, run)
        tell(Stage("preparing the songs"))
        dataset = _load_dataset(request, run, base, tell, cancelled)
        excerpts, codec = read_excerpts(dataset, base.codec.hop), base.codec
        songs = _songs_fingerprint(dataset)
        tuned = tune_decoder(request, codec, excerpts, songs, device, run, tell, cancelled)
        if tuned is not None:
            base = replace(base, codec=tuned.codec)
        tell(Stage("training"))
        result = _train_model(request, base, fingerprint, dataset, device, run, tell, cancelled)
        sounds = _Sounds(excerpts, codec, tuned)
        return _publish_model(
            request, name, base, fingerprint, dataset, sounds, result, run, tell, cancelled
        )


def _warn_of_dependents(name: str, tell: ProgressCallback) -> None:
    """Say which models will have lost their base once this one is replaced."""
    dependents = find_dependents(name)
    if dependents:
        tell(
            Notice(
                f"{', '.join(map(repr, dependents))} can't be used any more once {name!r} is "
                "replaced, having been trained on it as it is; to keep them, stop this, and train "
                "under another name"
            )
        )


@dataclass(frozen=True, eq=False)
class _Sounds:
    """Excerpts of the songs, and the codecs that decode them."""

    excerpts: Excerpts
    codec: Codec
    """The base model's own."""
    tuned: TunedDecoder | None


def _load_dataset(
    request: TrainingRequest,
    run: Path,
    base: Components,
    tell: ProgressCallback,
    cancelled: Callable[[], bool] | None,
) -> Dataset:
    if is_dataset(request.dataset_path):
        dataset = read_dataset(request.dataset_path)
        check_fits(dataset, base)
    else:
        device = None if request.device == "auto" else request.device
        prepared = prepare(
            request, run / DATASET, on_event=tell, cancelled=cancelled, device=device
        )
        for file, reason in summarize_skipped(prepared.skipped):
            tell(Notice(f"{file} is left out: {reason}"))
        dataset = prepared.dataset
    if all(song.held_out for song in dataset.songs):
        raise DatasetError(
            f"{dataset.folder} has no songs to train on: all {len(dataset.songs)} are held out; "
            "set held_out to false for some in songs.jsonl, or add songs"
        )
    return dataset


def _train_model(
    request: TrainingRequest,
    base: Components,
    fingerprint: str,
    dataset: Dataset,
    device: torch.device,
    run: Path,
    tell: ProgressCallback,
    cancelled: Callable[[], bool] | None,
) -> TrainingResult:
    """Train the base's language model, in place."""
    info, lm = base.info, base.lm
    fields = (spec for spec in fields_of(type(request)) if spec.option.affects_result)
    settings: dict[str, Any] = {spec.name: getattr(request, spec.name) for spec in fields}
    settings |= {
        "base": {"name": info.name, "weights": fingerprint, "outline": _outline(lm)},
        "songs": _songs_fingerprint(dataset),
    }
    dtype = make_trainable(lm, request, device)
    plan = make_plan(request, lm, info.window_seconds, info.frame_rate, dtype)
    windows = f"{plan.micro_batch} of {request.batch_size} windows at once"
    planned = plan.memory.total(plan.micro_batch, plan.recompute) / 2**30
    tell(
        Notice(
            f"{windows}, {'layers computed twice, ' if plan.recompute else ''}about "
            f"{planned:.1f} GiB of {plan.free_bytes / 2**30:.1f} GiB free"
        )
    )
    songs = [_load_song(dataset, song) for song in dataset.songs if not song.held_out]
    held_out = [_load_song(dataset, song) for song in dataset.songs if song.held_out]
    if long := [
        song.file for song in dataset.songs if song.caption and base.text.count_unread(song.caption)
    ]:
        others = f" and {len(long) - 1} others" if len(long) > 1 else ""
        tell(
            Notice(
                f"the caption of {long[0]!r}{others} is longer than {MAX_TOKENS} tokens, and the "
                "rest is not read; shorten it"
            )
        )
    hop = base.codec.hop
    prompt = next(iter(preview_prompts(dataset, 1)), "")
    previews = Previews(base, prompt, run, tell, cancelled)
    trainer = Trainer(
        lm, plan, songs, held_out, base.text, hop, run, settings, preview=previews.make
    )
    with log_events(run, trainer.step, tell) as log:
        return trainer.run(log, cancelled)


def _load_song(dataset: Dataset, song: manifest.Song) -> TrainingSong:
    tokens = dataset.tokens(song)
    return TrainingSong(song.file, tokens.codes, tokens.chroma, song.caption or "", song.tags())


def _publish_model(
    request: TrainingRequest,
    name: str,
    base: Components,
    fingerprint: str,
    dataset: Dataset,
    sounds: _Sounds,
    result: TrainingResult,
    run: Path,
    tell: ProgressCallback,
    cancelled: Callable[[], bool] | None,
) -> FineTuned:
    """Write the model, listen to it, and give it its name at last."""
    summary = summarize_training(request, name, base, dataset, result)
    target = model_folder(name)
    compared = Comparison()
    new, old = (target.with_name(f".{age}-{secrets.token_hex(4)}") for age in ("new", "old"))
    try:
        new.mkdir(parents=True)
        decoder = None if sounds.tuned is None else sounds.tuned.tensors
        write_weights(new, base, request, summary.base, fingerprint, decoder)
        with _tolerate_failure("what was compared", tell):
            compared = compare(request, dataset, new, summary.base, tell, cancelled)
        clips, memorisation = compared.clips, compared.memorisation
        with _tolerate_failure("what is measured of sounds", tell):
            tell(Stage("measuring"))
            summary = replace(summary, findings=_measure_findings(dataset, sounds, compared))
        with _tolerate_failure("the clips that were compared", tell):
            keep_comparison(run, summary, clips, memorisation)
        with _tolerate_failure("the report", tell):
            write_report(new / REPORT, summary, clips, memorisation)
        with _tolerate_failure("the model card", tell):
            write_card(new, summary, memorisation)
        facts = collect_facts(name, summary, fingerprint, dataset, result)
        write_about(new, request, facts)
        if target.exists():  # a restart replaces what there was
            target.replace(old)
        new.replace(target)
    except OSError as error:
        raise OutputError(
            f"the model cannot be written into {target.parent} ({error}); make room there, then "
            "run the same command again: the training itself is saved"
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    clear_state(run, keep_logs=True)
    return FineTuned(
        name=name,
        path=target,
        report=target / REPORT,
        dataset=dataset,
        before=summary.before,
        after=summary.after,
        finished=result.finished,
        summary=summary,
    )


@contextmanager
def _tolerate_failure(name: str, tell: ProgressCallback) -> Iterator[None]:
    """Say that something is missing which could not be made: the trained model is worth more."""
    try:
        yield
    except Cancelled:
        raise
    except Exception as error:
        _LOG.debug("%s could not be made", name, exc_info=True)
        reason = error if isinstance(error, SongloomError) else f"{type(error).__name__}: {error}"
        tell(Notice(f"{name} could not be made, but the model is there: {reason}"))


def _measure_findings(dataset: Dataset, sounds: _Sounds, compared: Comparison) -> Findings:
    excerpts, tuned = sounds.excerpts, sounds.tuned
    codec = sounds.codec if tuned is None else tuned.codec
    ceiling = measure_ceiling(excerpts, codec, None if tuned is None else sounds.codec)
    return measure_findings(dataset, excerpts, ceiling, codec, compared.before, compared.after)


def _folders(request: TrainingRequest, name: str) -> tuple[Path, Path]:
    """The folders of the model and of its training.

    Raises:
        ModelError: no model may be called so.
    """
    try:
        return model_folder(name), run_folder(name)
    except ModelError as error:
        if request.name is not None:
            raise
        raise ModelError(
            f"the model would be named after {str(request.dataset_path)!r}, but {error}; give it "
            "another one with --name"
        ) from None


def _outline(lm: LM) -> str:
    """Digest of a few weights, by which states of earlier versions know their base."""
    digest = hashlib.sha256(repr(lm.config).encode())
    for name in ("norm.weight", "embeddings.0.weight"):
        digest.update(lm.get_parameter(name).detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _songs_fingerprint(dataset: Dataset) -> str:
    """Tells whether songs, captions and labels are the same."""
    known = [
        [song.hash, song.held_out, song.caption or "", {k: list(v) for k, v in song.tags().items()}]
        for song in dataset.songs
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
