"""Stand-ins for the preparation of songs and for training, for tests of what stands around them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from songloom.dataset.ingest import Skipped
from songloom.dataset.labels import Labels
from songloom.dataset.manifest import Dataset, DatasetInfo, Song
from songloom.dataset.prepare import Prepared
from songloom.errors import Cancelled
from songloom.finetuning.pipeline import FineTuned
from songloom.progress import ProgressEvent
from songloom.training.state import Measured
from songloom.training.summary import Findings
from songloom.training_request import PrepareRequest, TrainingRequest
from tests.training.summaries import summary

BEFORE, AFTER = Measured(0, (3.0, 5.0)), Measured(12, (2.0, 4.0))
INFO = DatasetInfo("nano", "0" * 64, 32_000, 1, 50.0, 4, 64, None, "kept")


def a_dataset(folder: Path) -> Dataset:
    labels = Labels(bpm=119.6, key="F# minor", mood=("calm",), dynamics="quiet")
    songs = (
        Song("a [live].wav", "0" * 16, 61.25, "warm piano", labels),
        Song("b.wav", "1" * 16, 30.0, held_out=True),
    )
    return Dataset(folder, INFO, songs)


@dataclass
class Works:
    """Stands for `songloom.prepare` and `songloom.train`; remembers what it was asked for."""

    requests: list[PrepareRequest] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    restarts: list[bool] = field(default_factory=list)
    events: list[ProgressEvent] = field(default_factory=list)
    before: Measured | None = BEFORE
    after: Measured | None = AFTER
    findings: Findings = field(default_factory=Findings)
    meanwhile: Callable[[], object] = lambda: None

    def _work(
        self, on_event: Callable[[ProgressEvent], None], cancelled: Callable[[], bool]
    ) -> None:
        for event in self.events:
            on_event(event)
        self.meanwhile()
        if cancelled():
            raise Cancelled("it was stopped and saved; run the same command to go on")

    def prepare(
        self, request: PrepareRequest, folder: Path, *, on_event: Any, cancelled: Any
    ) -> Prepared:
        self.requests.append(request)
        self.folders.append(folder)
        self._work(on_event, cancelled)
        skipped = (Skipped("c.wav", "it is silent"),)
        return Prepared(a_dataset(folder), skipped, coded=2, seconds=1.25)

    def train(
        self, request: TrainingRequest, *, restart: bool, on_event: Any, cancelled: Any
    ) -> FineTuned:
        self.requests.append(request)
        self.restarts.append(restart)
        self._work(on_event, cancelled)
        path, before, after = Path("home/models/mine"), self.before, self.after
        measured = [each for each in (before, after) if each is not None]
        told = summary(measured=measured, after=after, findings=self.findings)
        report = path / "report.html"
        return FineTuned("mine", path, report, a_dataset(path), before, after, True, told)
