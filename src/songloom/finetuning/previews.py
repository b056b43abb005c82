"""Clips of a training: while it runs, and at its end by the base and the new model.

They lie in the run's folder, which a training goes on from, until it is begun anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from songloom.audio.files import Audio, write_audio
from songloom.checkpoints.components import Components
from songloom.errors import Cancelled, OutputError, SongloomError
from songloom.finetuning.history import CLIPS, COMPARISON
from songloom.generation.model import Model
from songloom.progress import Notice, ProgressCallback, TrainingPreview
from songloom.request import GenerationRequest, max_duration
from songloom.training.finding_words import describe_as_json
from songloom.training.memorization import MemorizationCheck, merge_longest
from songloom.training.memorization_section import describe_copying
from songloom.training.memory import is_out_of_memory
from songloom.training.summary import ClipPair, TrainingSummary
from songloom.whole_files import write_text

SECONDS = 5.0
"""Length of a clip on the way: enough to judge it, and little beside an update's work."""
SEED = 1000
"""Of all clips on the way: the weights are all that changes from one to the next."""


class Previews:
    """Generates a clip by the weights as they are, while a model is trained.

    Args:
        base: the model, whose language model is being trained.
        prompt: of all clips.
        run: the run's folder.
        tell: told of each clip.
        cancelled: asked often; a clip is then given up.
    """

    def __init__(
        self,
        base: Components,
        prompt: str,
        run: Path,
        tell: ProgressCallback,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._base, self._prompt, self._folder = base, prompt, run / CLIPS
        self._tell, self._cancelled = tell, cancelled

    def make(self, step: int) -> None:
        """Make the clip of a step; one that can't be made is no reason to stop training."""
        try:
            seconds = min(SECONDS, max_duration())
            request = GenerationRequest(prompt=self._prompt, duration=seconds, seed=SEED)
            model = Model(self._base, self._base.lm.dtype)
            track = model.generate(request, cancelled=self._cancelled)
        except Cancelled:
            return  # the training is asked next, and saves its state
        except (RuntimeError, MemoryError, SongloomError) as error:
            if is_out_of_memory(error):
                self._tell(Notice(f"there is no memory for a clip after {step} updates"))
            else:
                self._tell(Notice(f"there is no clip after {step} updates: {error}"))
            return
        path = self._folder / f"preview-{step:06}.mp3"
        try:
            self._folder.mkdir(exist_ok=True)
            write_audio(path, Audio(track.normalized(), track.sample_rate), format="mp3")
        except (OSError, OutputError) as error:
            self._tell(Notice(f"there is no clip after {step} updates: {error}"))
            return
        self._tell(TrainingPreview(step, self._prompt, path))


def keep_comparison(
    run: Path,
    summary: TrainingSummary,
    clips: Sequence[ClipPair],
    memorisation: MemorizationCheck | None,
) -> None:
    """Write what was compared at the end, clips first, then `comparison.json` that names them.

    Raises:
        OutputError: it can't be written.
    """
    folder = run / CLIPS
    folder.mkdir(exist_ok=True)
    pairs = []
    for number, clip in enumerate(clips, start=1):
        names = {name: f"{name}-{number}.mp3" for name in ("before", "after")}
        write_audio(folder / names["before"], clip.before, format="mp3")
        write_audio(folder / names["after"], clip.after, format="mp3")
        pairs.append({"prompt": clip.prompt, "seed": clip.seed, **names})
    ceiling = summary.findings.ceiling
    songs = []
    for number, pair in enumerate(ceiling.pairs if ceiling else (), start=1):
        names = {name: f"song-{name}-{number}.mp3" for name in ("original", "heard")}
        write_audio(folder / names["original"], pair.original, format="mp3")
        write_audio(folder / names["heard"], pair.decoded, format="mp3")
        songs.append({"title": pair.title, **names})
    content = {
        "clips": pairs,
        "songs": songs,
        **describe_as_json(summary, memorisation),
        "memorisation": None if memorisation is None else _describe_check(memorisation),
    }
    write_text(folder / COMPARISON, json.dumps(content, ensure_ascii=False, indent=1))


def _describe_check(check: MemorizationCheck) -> dict[str, Any]:
    longest, normal = merge_longest(check.after), check.normal
    return {
        "verdict": check.verdict,
        "finding": describe_copying(check),
        "longest_seconds": check.seconds(longest.exact),
        "usual_seconds": check.seconds(normal.exact),
        "song": longest.exact.song,
    }
