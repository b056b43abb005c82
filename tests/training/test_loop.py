import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from songloom.errors import Cancelled, OutputError, TrainingError
from songloom.models.lm import LM
from songloom.progress import Notice, ProgressEvent, TrainingProgress, ValidationProgress
from songloom.training import loop as loop_module
from songloom.training.loop import Trainer
from songloom.training.state import FILE, Measured, load_state
from tests.training.tunes import SONGS, request, tiny_lm, trainer, tune

LEARNED = 0.97
"""Share of the first loss that the last is below, wherever and however sums are rounded."""


def weights(lm: LM) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in lm.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def losses(folder: Path) -> list[float]:
    state = load_state(folder)
    assert state is not None
    return [update.loss for update in state.updates]


def stop_after(steps: int) -> Any:
    """A flag that is raised after some updates."""
    asked = iter([False] * steps)
    return lambda: next(asked, True)


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.02), ("adafactor", 1), ("dadam", 1)])
def test_it_learns(tmp_path: Path, full: bool, optimizer: str, lr: float) -> None:
    asked = request(
        full=full,
        optimizer=optimizer,
        lr=float(lr),
        epochs=1,
        updates_per_epoch=150,
        lr_scheduler="linear_warmup",
        warmup=0,
    )
    lm = tiny_lm()
    before = weights(lm)
    result = trainer(tmp_path, asked, lm=lm, held_out=[SONGS[1]]).run()
    first, last = result.state.measured[0].loss, result.state.measured[-1].loss
    assert last < LEARNED * first
    assert result.finished
    kept = {name.replace(".base.", "."): tensor for name, tensor in weights(lm).items()}
    changed = [name for name in before if not torch.equal(before[name], kept[name])]
    assert bool(changed) == full  # an adapter leaves the model's own weights alone


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"full": True},
        {"optimizer": "dadam", "lr": None},
        {"optimizer": "adafactor", "ema_decay": 0.9},
        {"lora_dropout": 0.3, "gradient_checkpointing": "on"},
    ],
    ids=lambda changes: "-".join(changes) or "plain",
)
def test_a_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    asked = request(**changes)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = tiny_lm()
    expected = trainer(tmp_path / "whole", asked, lm=whole).run()
    for steps in (3, 2):
        with pytest.raises(Cancelled, match="run the same command to go on"):
            trainer(tmp_path / "parts", asked).run(cancelled=stop_after(steps))
    lm = tiny_lm()
    result = trainer(tmp_path / "parts", asked, lm=lm).run()
    assert same(weights(lm), weights(whole))
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert result.state.measured == expected.state.measured
    assert same(result.state.average, expected.state.average)


KILLED = """
import sys
from pathlib import Path
import torch
from tests.training.tunes import request, trainer
torch.set_num_threads(int(sys.argv[2]))
asked = request(epochs=3, updates_per_epoch=6, save_minutes=0)

def tell(event):
    print(event, flush=True)
    sys.stdin.readline()  # until it may go on

trainer(Path(sys.argv[1]), asked).run(on_event=tell)
"""


def kill_after(updates: int, delay: float, folder: Path) -> None:
    """Start the training as a process of its own, and kill it in the one after some updates."""
    command = [sys.executable, "-c", KILLED, str(folder), str(torch.get_num_threads())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            process.stdin.write("\n")
            updates -= line.startswith("TrainingProgress")
            if updates == 0:
                break
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    asked = request(epochs=3, updates_per_epoch=6, save_minutes=0)
    expected, lm = tiny_lm(), tiny_lm()
    trainer(whole, asked, lm=expected).run()
    kill_after(2, 0.0, killed)
    kill_after(3, 0.004, killed)
    assert 2 <= len(losses(killed)) < 18
    trainer(killed, asked, lm=lm).run()
    assert same(weights(lm), weights(expected))
    assert losses(whole) == losses(killed)


def test_parts_of_a_batch_change_nothing_but_rounding(tmp_path: Path) -> None:
    ends = []
    for parts in (1, 3, 4):
        (tmp_path / str(parts)).mkdir()
        asked = request(micro_batch=parts, full=True, lr=1e-3)
        lm = tiny_lm(cross=False, chroma=12)
        trainer(tmp_path / str(parts), asked, lm=lm).run()
        ends.append(weights(lm))
    for end in ends[1:]:
        for name, tensor in end.items():
            torch.testing.assert_close(tensor, ends[0][name], rtol=1e-3, atol=2e-5)


def test_layers_computed_again_give_the_same(tmp_path: Path) -> None:
    ends = []
    for choice in ("on", "off"):
        (tmp_path / choice).mkdir()
        lm = tiny_lm()
        trainer(tmp_path / choice, request(gradient_checkpointing=choice, full=True), lm=lm).run()
        ends.append(weights(lm))
    assert same(*ends)


def test_events_tell_all(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    trainer(tmp_path, request()).run(events.append)
    updates = [event for event in events if isinstance(event, TrainingProgress)]
    measured = [event for event in events if isinstance(event, ValidationProgress)]
    assert [event.step for event in updates] == list(range(1, 9))
    assert all(event.steps == 8 and event.frames_per_second > 0 for event in updates)
    assert updates[-1].seconds_left == 0
    assert [event.step for event in measured] == [0, 4, 8]
    assert not measured[0].best
    assert all(len(event.per_codebook) == 2 for event in measured)
    assert measured[0].loss == pytest.approx(sum(measured[0].per_codebook) / 2)


def test_without_held_out_songs_the_last_weights_are_kept(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    result = trainer(tmp_path, request(), held_out=[]).run(events.append)
    assert result.best is None
    assert not any(isinstance(event, ValidationProgress) for event in events)


def test_the_best_weights_are_kept_and_not_the_last(tmp_path: Path) -> None:
    # A rate that destroys what was learned first: the best measurement is not the last.
    asked = request(lr=3.0, epochs=4, full=True, lr_scheduler="linear_warmup", warmup=12)
    lm = tiny_lm()
    run = trainer(tmp_path, asked, lm=lm, held_out=[SONGS[1]])
    result = run.run()
    assert result.best is not None
    assert result.best.step < result.state.measured[-1].step
    assert result.best.loss == min(m.loss for m in result.state.measured[1:])
    run._measure(lambda event: None)
    assert result.state.measured[-1].loss == pytest.approx(result.best.loss)


def test_keep_last(tmp_path: Path) -> None:
    asked = request(lr=3.0, epochs=4, full=True, warmup=12, keep="last")
    lm = tiny_lm()
    result = trainer(tmp_path, asked, lm=lm).run()
    assert result.best == result.state.measured[-1]
    assert same(weights(lm), {**weights(lm), **result.state.weights})


def test_patience_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, measurements = Trainer._measure, iter([3.0, 2.0, 2.5, 1.5, 2.0, 1.75, 1.0])

    def measured(self: Trainer, tell: Any) -> None:
        """As it is, with losses that fall, rise, fall, and rise twice."""
        plain(self, tell)
        loss = next(measurements)
        self._state.measured[-1] = Measured(self.step, (loss, loss))

    monkeypatch.setattr(Trainer, "_measure", measured)
    asked = request(epochs=10, full=True, patience=2)
    result = trainer(tmp_path, asked, held_out=[SONGS[1]]).run()
    assert not result.finished
    assert result.best is not None
    after = [m for m in result.state.measured if m.step > result.best.step]
    assert len(after) == 2


def test_time_ends_it_with_a_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100000))
    monkeypatch.setattr(loop_module, "monotonic", lambda: float(next(clock)))
    result = trainer(tmp_path, request(max_minutes=0.2)).run()
    assert not result.finished
    assert 0 < result.state.step < 8
    assert result.state.measured[-1].step == result.state.step


def test_when_memory_runs_out_less_is_computed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_lm()
    (tmp_path / "a").mkdir()
    trainer(tmp_path / "a", request(micro_batch=1), lm=whole).run()
    plain = Trainer._losses

    def limited(self: Trainer, batch: Any, totals: Tensor) -> Any:
        if len(batch.tokens) > 1:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1")
        return plain(self, batch, totals)

    monkeypatch.setattr(Trainer, "_losses", limited)
    (tmp_path / "b").mkdir()
    lm, events = tiny_lm(), []
    trainer(tmp_path / "b", request(micro_batch=4), lm=lm).run(events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert [text.split(";")[1].split()[0] for text in notices] == ["2", "1"]
    assert same(weights(lm), weights(whole))


def test_no_memory_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Trainer, batch: Any, totals: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    run = trainer(tmp_path, request(), held_out=[])
    monkeypatch.setattr(Trainer, "_losses", none)
    with pytest.raises(
        TrainingError,
        match=r"one window of 30 frames.*shorten window_seconds",
    ):
        run.run()
    assert run._lm.recompute


def test_other_errors_are_not_taken_for_missing_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Trainer, batch: Any, totals: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Trainer, "_losses", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trainer(tmp_path, request(), held_out=[]).run()


def test_one_loss_that_is_not_finite_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = Trainer._losses, iter(range(1000))

    def spoiled(self: Trainer, batch: Any, totals: Tensor) -> Any:
        mean, losses = plain(self, batch, totals)
        return mean * (math.nan if next(calls) == 4 else 1), losses

    monkeypatch.setattr(Trainer, "_losses", spoiled)
    lm, events = tiny_lm(), []
    result = trainer(tmp_path, request(), lm=lm, held_out=[]).run(events.append)
    [notice] = [event.text for event in events if isinstance(event, Notice)]
    assert "loss nan in update 3, on " in notice
    assert result.state.skipped == 1
    assert all(tensor.isfinite().all() for tensor in weights(lm).values())


def test_losses_that_stay_not_finite_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Trainer._losses

    def endless(self: Trainer, batch: Any, totals: Tensor) -> Any:
        mean, losses = plain(self, batch, totals)
        return mean * math.inf, losses

    monkeypatch.setattr(Trainer, "_losses", endless)
    with pytest.raises(TrainingError, match=r"loss inf in update 5.*lower lr \(0.01\)"):
        trainer(tmp_path, request(), held_out=[]).run()


def test_a_full_disk_ends_it_with_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = iter(range(100))
    plain = loop_module.save_state

    def limited(state: Any, folder: Path) -> None:
        if next(saves) == 3:
            raise OutputError("No space left on device")
        plain(state, folder)

    monkeypatch.setattr(loop_module, "save_state", limited)
    with pytest.raises(OutputError, match="No space"):
        trainer(tmp_path, request(save_minutes=0)).run()
    assert len(losses(tmp_path)) == 3


def test_other_settings_are_refused(tmp_path: Path) -> None:
    trainer(tmp_path, request(), settings={"lr": 0.01}).run()
    with pytest.raises(TrainingError, match=r"lr was 0\.01 and is now 0\.02"):
        trainer(tmp_path, request(), settings={"lr": 0.02})


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    trainer(tmp_path, request()).run()
    with pytest.raises(TrainingError, match="belong to another model"):
        trainer(tmp_path, request(full=True))


def test_a_finished_training_is_only_loaded(tmp_path: Path) -> None:
    lm = tiny_lm()
    trainer(tmp_path, request(), lm=lm).run()
    events: list[ProgressEvent] = []
    again = tiny_lm()
    assert trainer(tmp_path, request(), lm=again).run(events.append).finished
    assert events == []
    assert same(weights(again), weights(lm))
    assert (tmp_path / FILE).is_file()


def test_heads_and_conditions_learn_where_asked(tmp_path: Path) -> None:
    lm = tiny_lm(cross=False, chroma=12)
    trainer(tmp_path, request(lora_targets="all"), lm=lm).run()
    ups = {name: tensor for name, tensor in weights(lm).items() if name.endswith(".up")}
    assert any(name.startswith("heads") for name in ups)
    assert any(name.startswith("chroma_projection") for name in ups)
    assert all(tensor.any() for tensor in ups.values())


@pytest.mark.slow
def test_half_precision_learns(tmp_path: Path) -> None:
    asked = request(precision="bfloat16", epochs=1, updates_per_epoch=40, lr=0.02)
    result = trainer(tmp_path, asked, held_out=[SONGS[1]]).run()
    assert result.state.measured[-1].loss < LEARNED * result.state.measured[0].loss


@pytest.mark.slow
def test_the_caption_counts(tmp_path: Path) -> None:
    """Two songs that only their captions tell apart: the right caption must help."""
    songs = [tune("a", 40, seed=1), tune("b", 40, seed=2)]
    asked = request(epochs=1, updates_per_epoch=150, lr=0.01, full=True, cfg_p=0.1)
    lm = tiny_lm()
    run = trainer(tmp_path, asked, lm=lm, songs=songs, held_out=songs)
    right = run.run().state.measured[-1].loss
    swapped = [
        type(song)(song.name, song.codes, song.chroma, other.description, song.tags)
        for song, other in zip(songs, reversed(songs), strict=True)
    ]
    (tmp_path / "swapped").mkdir()
    wrong = trainer(tmp_path / "swapped", asked, lm=tiny_lm(), songs=songs, held_out=swapped)
    wrong._load({name: p.detach() for name, p in run._trained.items()})
    wrong._measure(lambda event: None)
    assert right < wrong._state.measured[-1].loss - 0.05


def test_settings_survive_as_plain_data(tmp_path: Path) -> None:
    settings = request().to_mapping()
    trainer(tmp_path, request(), settings=settings).run()
    state = load_state(tmp_path)
    assert state is not None
    assert state.settings == json.loads(json.dumps(settings))
