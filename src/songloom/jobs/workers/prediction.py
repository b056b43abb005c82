"""The process that predicts on one device: `python -m songloom.jobs.workers.prediction`.

The first thread draws tokens, for all predictions of a model together; some load models and read
inputs; others decode and write audio. A prediction joins a running batch once it is read, and
leaves it once its tokens are there.

This file is long, since all its threads share the state of one class.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn, get_args

import torch

from songloom.errors import SongloomError
from songloom.generation.precision import DType, resolve_device
from songloom.generation.prepare import Piece
from songloom.jobs.messages import (
    Cancel,
    Close,
    Command,
    Failed,
    Listen,
    Logged,
    Lost,
    Opened,
    Progressed,
    Started,
    Stopped,
    Succeeded,
    Work,
    WorkerStats,
    WorkEvent,
)
from songloom.jobs.workers.audio_stream import AudioStream
from songloom.jobs.workers.device_info import describe_worker, memory_in_use
from songloom.jobs.workers.device_lock import DeviceLock
from songloom.jobs.workers.input_readers import InputReaders
from songloom.jobs.workers.model_cache import LoadedModel, ModelCache, NoRoomError
from songloom.jobs.workers.sound import draw_beside
from songloom.jobs.workers.stdio import Stdio
from songloom.progress import DiffusionProgress, DownloadProgress, Notice, ProgressEvent
from songloom.request import GenerationRequest
from songloom.training.memory import is_out_of_memory

PROGRESS_SECONDS = 0.4
"""Between two reports of a prediction's progress."""
BEAT_SECONDS = 2.0
"""Between two heartbeats."""
RETRY_SECONDS = 2.0
"""Between two looks whether there is memory now."""
SMALL_PARAMETERS = 50_000_000
"""Language models up to this size predict beside a training; larger ones take turns with it."""
READERS = 4
"""Threads that read inputs, so that a long file keeps few others waiting."""
WRITERS = 2
"""Threads that decode and write audio on a CPU."""
HUNG, BROKEN = 4, 5
"""Exit codes of a worker that can't go on with what it reads, or with its device."""


@dataclass(eq=False)
class _PredictionTask:
    """One prediction in progress."""

    work: Work
    began: float = field(default_factory=time.monotonic)
    shown: float = 0.0
    reading_since: float | None = None
    loaded: LoadedModel | None = None
    pieces: list[Piece] = field(default_factory=list)
    decoding: set[int] = field(default_factory=set)  # indices of pieces whose tokens are there
    files: dict[int, str] = field(default_factory=dict)
    stream: AudioStream | None = None
    over: bool = False


class PredictionWorker:
    """Predicts on one device; see the module.

    Args:
        tell: takes events.
        model_cache: the models.
        device_lock: of the device.
        device: where it computes.
        name: what the server calls the device: "auto" leaves the choice to the worker.
        hang_seconds: how long reading one prediction's inputs may take.
    """

    def __init__(
        self,
        tell: Callable[[WorkEvent], None],
        model_cache: ModelCache,
        device_lock: DeviceLock,
        device: torch.device,
        name: str,
        hang_seconds: float,
    ) -> None:
        self._tell, self._cache, self._device_lock = tell, model_cache, device_lock
        self._device, self._name = device, name
        self._hang_seconds = hang_seconds
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue()
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._input_readers = InputReaders(hang_seconds)
        self._loading = threading.Lock()
        # Predictions that began together end together: on a CPU their audio shares the cores.
        self._writer = ThreadPoolExecutor(WRITERS if device.type == "cpu" else 1, "writer")
        self._streamer = ThreadPoolExecutor(1, "streamer")  # one: chunks are written in order
        self._waiting: deque[_PredictionTask] = (
            deque()
        )  # not begun, as something must be alone, or for memory
        self._tasks: dict[str, _PredictionTask] = {}
        self._retry_at = 0.0
        self._steps = self._tokens = 0
        self._beaten = 0.0

    def receive(self, command: Command) -> None:
        """Receive a command; from any thread."""
        self._inbox.put(lambda: self._obey(command))

    def run(self, model: str) -> None:
        """Load the default model, then process commands forever."""
        self._readers.submit(self._warm_up, model)
        while True:
            busy = any(not loaded.batch.empty for loaded in self._cache.models())
            try:
                self._inbox.get(timeout=0 if busy else BEAT_SECONDS / 2)()
                while True:
                    self._inbox.get_nowait()()
            except queue.Empty:
                pass
            self._begin_waiting()
            for loaded in self._cache.models():
                self._advance(loaded)
            self._send_heartbeat()

    def _obey(self, command: Command) -> None:
        match command:
            case Work():
                task = self._tasks[command.id] = _PredictionTask(command)
                self._waiting.append(task)
            case Cancel(id) if id in self._tasks:
                self._end(self._tasks[id], Stopped(id))
            case Listen(id) if id in self._tasks:
                self._listen(self._tasks[id])
            case Close():
                os._exit(0)  # predictions have no state that would be worth saving
            case _:
                pass  # for work that has just ended

    # Reading: in threads of its own

    def _warm_up(self, model: str) -> None:
        try:
            with self._loading:
                loaded, _ = self._cache.acquire(model, None, False, lambda event: None)
            self._cache.release(loaded)
        except SongloomError as error:
            print(f"the model {model!r} can't be loaded yet: {error}", file=sys.stderr)
        self._tell(describe_worker(self._name, self._device))

    def _begin_waiting(self) -> None:
        """Read what can be; work that must be alone is not read beside other work."""
        begun = [task for task in self._tasks.values() if task not in self._waiting]
        while self._waiting and time.monotonic() >= self._retry_at:
            task = self._waiting[0]
            if begun and (task.work.alone or any(other.work.alone for other in begun)):
                return
            self._waiting.popleft()
            begun.append(task)
            self._readers.submit(self._read, task)

    def _read(self, task: _PredictionTask) -> None:
        work = task.work
        if task.over:
            return
        self._tell(Opened(work.id))
        try:
            with self._loading:  # what is loaded for one, others find
                task.reading_since = time.monotonic()
                crowded = self._device_lock.is_held_elsewhere()
                loaded, adapter = self._cache.acquire(
                    work.model,
                    work.base,
                    crowded,
                    lambda event: self._report_download(task, event),
                )
            task.loaded = loaded
            first = GenerationRequest.from_mapping(work.request)
            requests = [first] + [
                replace(first, seed=None if first.seed is None else first.seed + i)
                for i in range(1, work.count)
            ]
            task.reading_since = None  # from here on there are processes with limits of their own
            inputs = self._input_readers.read(first, loaded.model.input_format, work.folder)
            task.reading_since = time.monotonic()
            task.pieces = [loaded.model.piece(request, adapter, inputs) for request in requests]
            self._inbox.put(lambda: self._join(task))
        except NoRoomError:
            self._inbox.put(lambda: self._wait_for_memory(task))
        except Exception as error:
            failure = self._failure(work.id, error)
            self._inbox.put(lambda: self._end(task, failure))
        finally:
            task.reading_since = None

    def _report_download(self, task: _PredictionTask, event: ProgressEvent) -> None:
        task.reading_since = time.monotonic()
        if isinstance(event, DownloadProgress):
            stage = f"downloading {event.model}"
            self._tell(
                Progressed(task.work.id, event.bytes_done, event.bytes_total, "bytes", stage)
            )
        elif isinstance(event, Notice):
            self._tell(Logged(task.work.id, f"note: {event.text}"))

    # Drawing tokens: in the first thread

    def _wait_for_memory(self, task: _PredictionTask) -> None:
        if not task.over:
            self._tell(Logged(task.work.id, "waiting for memory: a training or others have it"))
            self._waiting.appendleft(task)
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def _join(self, task: _PredictionTask) -> None:
        if task.over:
            self._release_model(task)
            return
        assert task.loaded is not None
        info, id = task.loaded.model.info, task.work.id
        self._tell(Started(id))
        seeds = ", ".join(str(piece.seed) for piece in task.pieces)
        self._tell(Logged(id, f"model {task.work.model} ({info.licence}), seed {seeds}"))
        for text in dict.fromkeys(note for piece in task.pieces for note in piece.notices):
            self._tell(Logged(id, text))
        if task.work.listen:
            self._listen(task)
        for piece in task.pieces:
            task.loaded.batch.add(piece)

    def _advance(self, loaded: LoadedModel) -> None:
        if loaded.batch.empty:
            return
        small = loaded.model.info.parameters <= SMALL_PARAMETERS
        try:
            with nullcontext() if small else self._device_lock.hold(), loaded.lock:
                count = loaded.batch.advance()
        except Exception as error:
            self._break_down(loaded, error)
            return
        self._steps += count.steps
        self._tokens += count.tokens
        for task in [task for task in self._tasks.values() if task.loaded is loaded]:
            self._report_progress(task)

    def _report_progress(self, task: _PredictionTask) -> None:
        """Report a prediction's progress, and pass on finished pieces."""
        assert task.loaded is not None
        # Before the result: whoever listens hears the end, too.
        if task.stream is not None and task.stream.has_more(task.pieces[0]):
            self._streamer.submit(self._stream, task, task.pieces[0].done)
        for index, piece in enumerate(task.pieces):
            if piece.done == piece.frames and index not in task.decoding:
                task.decoding.add(index)
                self._writer.submit(self._write, task, index, piece)
        moment = time.monotonic()
        done = sum(piece.done - piece.prompt_frames for piece in task.pieces)
        total = sum(piece.frames - piece.prompt_frames for piece in task.pieces)
        if moment - task.shown > PROGRESS_SECONDS or done == total:
            task.shown = moment
            self._tell(Progressed(task.work.id, done, total, "frames"))

    def _break_down(self, loaded: LoadedModel, error: Exception) -> None:
        """Drop a batch that can't go on; its work is lost, so that each is tried again alone."""
        expected = isinstance(error, SongloomError)  # such as a model whose weights are damaged
        if not is_out_of_memory(error) and not expected:
            traceback.print_exception(error)
        reason = "memory ran out" if is_out_of_memory(error) else f"the model failed ({error})"
        # Those that are still read, or written, had no part in this step.
        broken = [
            task
            for task in self._tasks.values()
            if task.loaded is loaded and any(piece.done < piece.frames for piece in task.pieces)
        ]
        if self._device.type == "cuda" and not is_out_of_memory(error) and not expected:
            self._give_up(broken, reason, BROKEN)  # it may have broken the device for this process
        for task in broken:
            lost = Lost(task.work.id, reason, shared=len(broken) > 1)
            # It would end so again; of several, only being alone tells whose fault it is.
            alone = expected and len(broken) == 1
            self._end(task, Failed(task.work.id, str(error)) if alone else lost)
        loaded.batch = loaded.model.open_batch(1)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _listen(self, task: _PredictionTask) -> None:
        if not task.pieces:
            task.work = replace(task.work, listen=True)
        elif task.work.request.get("multi_band_diffusion"):
            pass  # the codec's audio would be another than the result's
        elif task.stream is None and not task.decoding:  # else the result itself is near
            assert task.loaded is not None
            adapter = task.pieces[0].adapter
            task.stream = AudioStream(task.work.id, task.work.folder, task.loaded.model, adapter)

    # Decoding and writing: in its own thread

    def _write(self, task: _PredictionTask, index: int, piece: Piece) -> None:
        if task.over or task.loaded is None:
            return
        try:
            track = task.loaded.model.track(
                piece,
                on_event=lambda event: self._report_decoding(task, event),
                cancelled=lambda: task.over,
            )
            if piece.adapter is not None:  # which is attached by a name that tells versions apart
                track = replace(track, model=task.work.model)
            number = f"-{index + 1}" if task.work.count > 1 else ""
            name = f"output{number}.{track.request.output_format}"
            track.save(task.work.folder / name)
            draw_beside(task.work.folder / name)
            self._inbox.put(lambda: self._finish_piece(task, index, name))
        except Exception as error:
            failure = self._failure(task.work.id, error)
            self._inbox.put(lambda: self._end(task, failure))

    def _report_decoding(self, task: _PredictionTask, event: ProgressEvent) -> None:
        if isinstance(event, DiffusionProgress) and not task.over:
            done, total = round(event.seconds_done), round(event.seconds_total)
            stage = "decoding by diffusion"
            self._tell(Progressed(task.work.id, done, total, "seconds", stage))

    def _stream(self, task: _PredictionTask, done: int) -> None:
        if task.over or task.stream is None:
            return
        try:
            previewed = task.stream.write(task.pieces[0], done)
            if previewed is not None:
                self._tell(previewed)
        except Exception:
            traceback.print_exc()  # whoever listens hears less; the result does not suffer
            task.stream = None
        if task.stream is None or task.stream.complete:
            self._inbox.put(lambda: self._end_if_complete(task))

    def _finish_piece(self, task: _PredictionTask, index: int, name: str) -> None:
        task.files[index] = name
        self._end_if_complete(task)

    def _end_if_complete(self, task: _PredictionTask) -> None:
        """The end, once all files are written, the one that someone listens to included."""
        is_streamed = task.stream is None or task.stream.complete
        if len(task.files) < task.work.count or not is_streamed:
            return
        files = tuple(task.files[i] for i in range(task.work.count))
        seconds = sum(piece.request.duration for piece in task.pieces)
        metrics = {"predict_time": time.monotonic() - task.began, "audio_seconds": seconds}
        self._end(task, Succeeded(task.work.id, files, metrics))

    def _end(self, task: _PredictionTask, event: WorkEvent) -> None:
        if task.over:
            return
        task.over = True
        self._tasks.pop(task.work.id, None)
        if task in self._waiting:
            self._waiting.remove(task)
        self._release_model(task)
        self._tell(event)

    def _release_model(self, task: _PredictionTask) -> None:
        """Let go of a model, and of the batch's places."""
        loaded, task.loaded = task.loaded, None
        if loaded is None:
            return
        for piece in task.pieces:
            loaded.batch.remove(piece)
        self._cache.release(loaded)

    def _failure(self, id: str, error: Exception) -> WorkEvent:
        if isinstance(error, SongloomError):
            return Failed(id, str(error))
        if is_out_of_memory(error):
            return Lost(id, "memory ran out")
        traceback.print_exception(error)
        kind = type(error).__name__
        return Failed(id, f"songloom made a mistake ({kind}: {error}); the server's log has more")

    def _send_heartbeat(self) -> None:
        """Send statistics as a heartbeat; exit where reading hangs."""
        moment = time.monotonic()
        if moment - self._beaten < BEAT_SECONDS:
            return
        self._beaten = moment
        self._end_if_hung(moment)
        rows = sum(loaded.batch.rows for loaded in self._cache.models())
        memory = memory_in_use(self._device)
        self._tell(WorkerStats(self._name, self._steps, self._tokens, rows, memory))
        self._steps = self._tokens = 0

    def _end_if_hung(self, moment: float) -> None:
        """End the process where reading hangs, which no thread can be stopped from."""
        hung = [
            task
            for task in self._tasks.values()
            if task.reading_since is not None and moment - task.reading_since > self._hang_seconds
        ]
        if not hung:
            return
        print("reading an input hangs; ending this worker", file=sys.stderr)
        reason = f"reading its input took more than {self._hang_seconds:.0f} seconds"
        self._give_up(hung, reason, HUNG)

    def _give_up(self, culprits: list[_PredictionTask], reason: str, code: int) -> NoReturn:
        """End the process; work that had no part in the reason is given back."""
        shared = len(culprits) > 1
        for task in self._tasks.values():
            id, guilty = task.work.id, task in culprits
            self._tell(Lost(id, reason, shared, process_ended=True) if guilty else Stopped(id))
        os._exit(code)


def main() -> None:
    """Work for the server at the other end of standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", required=True, choices=get_args(DType))
    parser.add_argument("--model", required=True)
    parser.add_argument("--max-batch", required=True, type=int)
    parser.add_argument("--hang-seconds", required=True, type=float)
    parser.add_argument("--locks", required=True, type=Path)
    options = parser.parse_args()
    stdio = Stdio()
    device = resolve_device(options.device)
    worker = PredictionWorker(
        stdio.tell,
        ModelCache(device, options.dtype, options.max_batch),
        DeviceLock(options.locks, options.device),
        device,
        options.device,
        options.hang_seconds,
    )
    stdio.listen(worker.receive)
    worker.run(options.model)


if __name__ == "__main__":
    main()
