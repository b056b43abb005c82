"""The process of one training: `python -m songloom.jobs.workers.training`."""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from statistics import median

from songloom.checkpoints.configs import read_json
from songloom.checkpoints.home import FACTS, model_folder, run_folder, trained_model
from songloom.checkpoints.packed import pack
from songloom.errors import AlreadyRunningError, Cancelled, ModelError, OutputError, SongloomError
from songloom.finetuning.history import CLIPS, COMPARISON, REPORT, Preview, TrainingHistory
from songloom.jobs.messages import (
    Cancel,
    Close,
    Command,
    Failed,
    Logged,
    Lost,
    Progressed,
    Sampled,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkEvent,
)
from songloom.jobs.workers.device_lock import DeviceLock
from songloom.jobs.workers.stdio import Stdio
from songloom.machine import suit_training
from songloom.progress import (
    DecoderProgress,
    DownloadProgress,
    GenerationProgress,
    Notice,
    PrepareProgress,
    ProgressEvent,
    Stage,
    TrainingPreview,
    TrainingProgress,
    ValidationProgress,
)
from songloom.training_request import TrainingRequest
from songloom.whole_files import replace_file

WEIGHTS = "weights.tar"
OFFER_SECONDS = 0.2
"""Between two looks whether predictions wait for the device."""
PATIENCE_SECONDS = 30.0
"""How long an earlier process of the same training may still hold it: one whose server was killed
ends by itself."""


class TrainingWorker:
    """Runs one training.

    Args:
        tell: takes events.
        device_lock: of the device.
    """

    def __init__(self, tell: Callable[[WorkEvent], None], device_lock: DeviceLock) -> None:
        self._tell, self._device_lock = tell, device_lock
        self._stop = threading.Event()
        self._given = threading.Event()
        self._work: Work | None = None
        self._offered = 0.0

    def receive(self, command: Command) -> None:
        """Receive a command; from any thread."""
        match command:
            case Work():
                self._work = command
                self._given.set()
            case Cancel() | Close():
                self._stop.set()
                self._given.set()
            case _:
                pass

    def run(self) -> None:
        """Wait for the work, do it, and report how it ended."""
        self._given.wait()
        if self._work is None:
            return
        try:
            self._tell(self._run_training(self._work))
        except Cancelled:
            self._tell(Stopped(self._work.id))
        except SongloomError as error:
            self._tell(Failed(self._work.id, str(error)))
        except Exception as error:
            traceback.print_exc()
            self._tell(
                Lost(self._work.id, f"the training failed ({type(error).__name__}: {error})")
            )

    def _run_training(self, work: Work) -> WorkEvent:
        from songloom.training.publish import pack_trained

        self._tell(Started(work.id))
        began = time.monotonic()
        request = TrainingRequest.from_mapping(work.request)
        assert request.name is not None
        recorder = _Recorder(work, self._tell)
        with self._device_lock.hold():
            self._train(request, request.name, recorder.record)
        self._tell(Logged(work.id, "writing the weights"))
        model = model_folder(request.name)
        try:
            pack_trained(model, work.folder / WEIGHTS)
        except ModelError as error:  # what was trained is worth having all the same
            self._tell(Logged(work.id, f"note: the weights need their base to be there: {error}"))
            pack(model, work.folder / WEIGHTS)
        try:
            if (model / REPORT).is_file():
                shutil.copyfile(model / REPORT, work.folder / REPORT)
            recorder.finish(run_folder(request.name) / CLIPS)
        except (OSError, OutputError) as error:  # the model is there, and worth more
            self._tell(Logged(work.id, f"note: report or clips can't be kept: {error}"))
        metrics = {"predict_time": time.monotonic() - began, **recorder.speeds()}
        facts = read_json(model / FACTS)
        for name in ("held_out_loss_before", "held_out_loss_after"):
            if facts.get(name) is not None:
                metrics[name] = facts[name]
        return Succeeded(work.id, (WEIGHTS,), metrics, {"model": request.name})

    def _train(
        self, request: TrainingRequest, name: str, tell: Callable[[ProgressEvent], None]
    ) -> None:
        from songloom.finetuning.pipeline import train

        ends = time.monotonic() + PATIENCE_SECONDS
        # The name belongs to this work alone. So a model that is there already is what an earlier
        # process of it made, of which only the word was lost.
        while trained_model(name) is None:
            try:
                train(request, on_event=tell, cancelled=self._check_stop)
            except AlreadyRunningError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.5)

    def _check_stop(self) -> bool:
        """Whether to stop; asked often, so this is where waiting predictions get the device."""
        moment = time.monotonic()
        if moment - self._offered > OFFER_SECONDS:
            self._device_lock.yield_to_waiters()
            self._offered = time.monotonic()
        return self._stop.is_set()


class _Recorder:
    """Reports a training's events, and records its history in the job's folder."""

    def __init__(self, work: Work, tell: Callable[[WorkEvent], None]) -> None:
        self._id, self._folder, self._tell = work.id, work.folder, tell
        self._history = TrainingHistory(work.folder)
        self._frame_seconds: list[float] = []
        self._coding_since: float | None = None
        self._coding_took = self._coded_seconds = self._coded_before = 0.0

    def record(self, event: ProgressEvent) -> None:
        """Record and report an event of the training."""
        id = self._id
        match event:
            case Stage(name):
                self._tell(Logged(id, name))
            case Notice(text):
                self._tell(Logged(id, f"note: {text}"))
            case DownloadProgress(model, done, total):
                self._tell(Progressed(id, done, total, "bytes", f"downloading {model}"))
            case PrepareProgress(done, total):
                self._measure_coding(event)
                self._tell(Progressed(id, done, total, "songs", "preparing"))
            case DecoderProgress(step, steps, loss, left):
                details = {"loss": loss, "seconds_left": left}
                self._tell(Progressed(id, step, steps, "steps", "tuning the decoder", details))
            case TrainingProgress():
                self._history.add_update(event.step, event.loss, event.learning_rate)
                self._frame_seconds.append(1 / event.frames_per_second)
                values = {
                    "loss": event.loss,
                    "learning_rate": event.learning_rate,
                    "seconds_left": event.seconds_left,
                }
                self._tell(Progressed(id, event.step, event.steps, "updates", "training", values))
            case ValidationProgress(step, loss):
                self._history.add_validation(step, loss)
                self._tell(Logged(id, f"loss on held-out songs {loss:.4f} after {step} updates"))
            case TrainingPreview(step, prompt, path):
                shutil.copyfile(path, self._folder / path.name)
                self._history.add_preview(Preview(step, prompt, path.name))
                self._tell(Sampled(id, step, prompt, path.name))
            case GenerationProgress(done_seconds, total_seconds):
                done, total = round(done_seconds), round(total_seconds)
                self._tell(Progressed(id, done, total, "seconds", "generating previews"))

    def _measure_coding(self, event: PrepareProgress) -> None:
        """Measure what preparing takes for each second of music, once its processes have begun."""
        if self._coding_since is None:
            if event.songs_done:
                self._coding_since, self._coded_before = time.monotonic(), event.seconds_done
            return
        self._coding_took = time.monotonic() - self._coding_since
        self._coded_seconds = event.seconds_done - self._coded_before

    def speeds(self) -> dict[str, float]:
        """This machine's speeds, for estimates of later trainings."""
        found = {}
        if self._frame_seconds:
            found["frame_seconds"] = median(self._frame_seconds)
        if self._coded_seconds:
            found["coding_seconds"] = self._coding_took / self._coded_seconds
        return found

    def finish(self, clips: Path) -> None:
        """Keep the comparison's clips; what names them comes last."""
        for clip in clips.glob("*.mp3"):
            shutil.copyfile(clip, self._folder / clip.name)
        if (clips / COMPARISON).is_file():  # not of a model that an older songloom made
            with replace_file(self._folder / COMPARISON) as temporary:
                shutil.copyfile(clips / COMPARISON, temporary)


def main() -> None:
    """Work for the server at the other end of standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--locks", required=True, type=Path)
    options = parser.parse_args()
    suit_training()
    stdio = Stdio()
    worker = TrainingWorker(stdio.tell, DeviceLock(options.locks, options.device))
    stdio.listen(worker.receive)
    worker.run()
    os._exit(0)  # threads of libraries may not want to end


if __name__ == "__main__":
    main()
