"""From the queue to results, whatever happens on the way."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from songloom.clock import utc_now
from songloom.errors import DuplicateError, FetchError, OutputError, QueueFullError
from songloom.jobs import dispatcher as dispatcher_module
from songloom.jobs import event_handler
from songloom.jobs.dispatcher import Dispatcher
from songloom.jobs.messages import (
    Failed,
    Logged,
    Lost,
    Progressed,
    Stopped,
    Succeeded,
    Work,
    WorkerGone,
    WorkerReady,
)
from songloom.jobs.store.records import Job, new_id
from songloom.jobs.store.store import Store
from tests.server.fakes import FakeExecutor
from tests.waiting import PATIENCE, wait_until_async

PROGRESS = re.compile(r"^\s*\d+%\s*\|.+?\|\s*\d+/\d+")
"""How the official clients find progress in a log."""


async def prepare(job: Job, folder: Path) -> Work:
    if "unfetchable" in str(job.input.get("prompt")):
        raise FetchError("input_audio can't be fetched; give another URL")
    request = {"prompt": job.input.get("prompt", ""), "seed": job.seed}
    return Work(job.id, job.kind, request, job.model, folder, alone=job.attempts > 0)


class Harness:
    """A dispatcher on a store, and what it stands on."""

    def __init__(self, folder: Path, room: int = 4, **options: object) -> None:
        self.store = Store(f"sqlite:///{folder / 'songloom.db'}")
        self.executor = FakeExecutor(room)
        self.dispatcher = Dispatcher(
            self.store,
            self.executor,
            prepare,
            folder / "jobs",
            **options,  # type: ignore[arg-type]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        await self.executor.start()
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield self.dispatcher
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            self.store.close()

    async def make(self, prompt: str = "piano", **fields: object) -> Job:
        job = Job(
            id=new_id(), kind=fields.pop("kind", "prediction"), surface="replicate",  # type: ignore[arg-type]
            input={"prompt": prompt}, model="nano", seed=1, **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        return await self.dispatcher.accept(job)

    async def done(self, job: Job) -> Job:
        return await self.dispatcher.wait_until_ended(job.id, PATIENCE)


Story = Callable[[Harness], Awaitable[None]]


def tell(story: Story, folder: Path, room: int = 4, **options: object) -> Harness:
    harness = Harness(folder, room, **options)

    async def told() -> None:
        async with harness.running():
            await story(harness)

    asyncio.run(told())
    return harness


def test_a_prediction_succeeds(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.done(await harness.make())
        assert job.status == "succeeded"
        assert job.output == {"files": ["output.wav"]}
        assert (harness.dispatcher.folder(job.id) / "output.wav").is_file()
        assert job.metrics["predict_time"] == 0.1
        lines = job.logs.splitlines()
        assert "seed 1" in lines
        assert PROGRESS.match(lines[-1])
        assert "100/100" in lines[-1]
        assert harness.dispatcher.ready

    tell(story, tmp_path)


def test_a_failure_is_the_job_s_own(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        bad, missing, good = [
            await harness.make(prompt) for prompt in ("please fail", "unfetchable", "piano")
        ]
        assert (
            await harness.done(bad)
        ).error == "prompt is 'fail', but must be music; ask for some"
        unfetched = await harness.done(missing)
        assert (unfetched.status, unfetched.attempts) == ("failed", 0)
        assert "can't be fetched" in str(unfetched.error)
        assert (await harness.done(good)).status == "succeeded"

    tell(story, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["begin", "finish", "log"])
def test_a_job_may_be_deleted_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Cancelled and deleted between two steps, it brings nothing down with it."""

    async def story(harness: Harness) -> None:
        store = harness.store
        step = getattr(store, moment)
        doomed = await harness.make("slow")

        def late(id: str, *args: object, **fields: object) -> object:
            if id == doomed.id and store.job(id) is not None:
                Store.finish(store, id, "canceled")
                store.delete_job(id)
            return step(id, *args, **fields)

        monkeypatch.setattr(store, moment, late)
        await wait_until_async(lambda: store.job(doomed.id) is None)
        assert (await harness.done(await harness.make())).status == "succeeded"
        assert await harness.dispatcher.cancel(doomed.id) is None
        await wait_until_async(lambda: doomed.id not in harness.executor.running)

    monkeypatch.setattr(event_handler, "FLUSH_SECONDS", 0.05)
    tell(story, tmp_path)


@pytest.mark.parametrize("end", [Succeeded("", ()), Stopped(""), Lost("", "it ended")])
def test_a_job_may_be_gone_when_its_end_is_told(
    tmp_path: Path, end: Succeeded | Stopped | Lost
) -> None:
    async def story(harness: Harness) -> None:
        gone = await harness.make("hang")
        await wait_until_async(lambda: harness.executor.running)
        harness.store.finish(gone.id, "canceled")
        harness.store.delete_job(gone.id)
        harness.executor._tell(replace(end, id=gone.id))
        assert (await harness.done(await harness.make())).status == "succeeded"

    tell(story, tmp_path)


def test_messages_do_not_tell_the_server_s_folders(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.make("hang")
        await wait_until_async(lambda: harness.executor.running)
        path = harness.dispatcher.folder(job.id) / "inputs" / "input_audio" / "tune.wav"
        harness.executor._tell(Logged(job.id, f"reading {path}"))
        harness.executor._tell(Failed(job.id, f"{str(path)!r} is not audio; convert it to wav"))
        failed = await harness.done(job)
        assert failed.error == "'inputs/input_audio/tune.wav' is not audio; convert it to wav"
        assert "reading inputs/input_audio/tune.wav" in failed.logs
        assert str(tmp_path) not in failed.logs

    tell(story, tmp_path)


def test_the_server_is_ready_while_every_device_has_a_worker(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        await wait_until_async(lambda: harness.dispatcher.ready)
        first = harness.dispatcher.ready_at
        harness.executor._tell(WorkerGone("cpu"))
        await wait_until_async(lambda: not harness.dispatcher.ready)
        harness.executor._tell(WorkerReady("cpu"))
        await wait_until_async(lambda: harness.dispatcher.ready)
        assert harness.dispatcher.ready_at == first is not None

    tell(story, tmp_path, devices=("cpu",))


def test_predictions_are_not_held_up_by_trainings_that_wait(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        harness.executor.free_slots = lambda kind: 4 if kind == "prediction" else 0  # type: ignore[method-assign]
        for _ in range(30):
            await harness.make(kind="training")
        assert (await harness.done(await harness.make())).status == "succeeded"

    tell(story, tmp_path)


def test_jobs_wait_for_a_place_and_the_queue_for_its_end(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        jobs = [await harness.make("hang")]
        await wait_until_async(lambda: harness.executor.running)
        jobs += [await harness.make("piano") for _ in range(3)]
        with pytest.raises(QueueFullError):
            await harness.make("piano")
        assert len(harness.executor.submitted) == 1
        await harness.dispatcher.cancel(jobs[0].id)
        for job in jobs[1:]:
            assert (await harness.done(job)).status == "succeeded"
        assert [work.id for work in harness.executor.submitted] == [job.id for job in jobs]

    tell(story, tmp_path, room=1, queue_limit=3)


def test_cancelling(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        running, waiting = await harness.make("hang"), await harness.make("hang")
        await wait_until_async(lambda: harness.executor.running)
        for job in (waiting, running):
            await harness.dispatcher.cancel(job.id)
            ended = await harness.done(job)
            assert ended.status == "canceled"
            assert ended.completed_at is not None
        assert await harness.dispatcher.cancel("nobody") is None
        again = await harness.dispatcher.cancel(running.id)
        assert again == await harness.done(running)
        assert [work.id for work in harness.executor.submitted] == [running.id]

    tell(story, tmp_path, room=1)


@pytest.mark.parametrize("moment", ["begin", "finish"])
def test_a_job_that_is_cancelled_at_any_moment_ends_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    async def story(harness: Harness) -> None:
        store, loop, ended = harness.store, asyncio.get_running_loop(), []
        harness.dispatcher.on_ended.append(ended.append)
        step = getattr(store, moment)

        def late(id: str, *args: object, **fields: object) -> object:
            asyncio.run_coroutine_threadsafe(harness.dispatcher.cancel(id), loop).result(PATIENCE)
            return step(id, *args, **fields)

        monkeypatch.setattr(store, moment, late)
        job = await harness.make("piano" if moment == "begin" else "unfetchable")
        assert (await harness.done(job)).status == "canceled"
        monkeypatch.undo()
        await harness.done(await harness.make())
        assert [each.id for each in ended].count(job.id) == 1

    tell(story, tmp_path)


def test_a_job_can_be_given_a_deadline(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        late, quick = (
            await harness.make("hang", cancel_after=0.2),
            await harness.make("piano", cancel_after=60.0),
        )  # fmt: skip
        assert (await harness.done(late)).status == "canceled"
        assert (await harness.done(quick)).status == "succeeded"

    tell(story, tmp_path)


def test_lost_work_is_tried_again_alone_and_not_for_ever(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        unlucky, poison = await harness.make("unlucky"), await harness.make("lost")
        first, second = await harness.done(unlucky), await harness.done(poison)
        assert (first.status, first.attempts) == ("succeeded", 2)
        assert "trying again" in first.logs
        assert (second.status, second.attempts) == ("failed", 3)
        assert "it was tried 3 times" in str(second.error)
        alone = [work.alone for work in harness.executor.submitted if work.id == poison.id]
        assert alone == [False, True, True]

    tell(story, tmp_path, attempts=3)


def test_what_was_lost_together_is_tried_apart_before_it_counts(tmp_path: Path) -> None:
    """Whoever shared a process with the culprit does not fail, however few attempts there are."""

    async def story(harness: Harness) -> None:
        innocents = [await harness.make("hang") for _ in range(2)]
        behind = await harness.make("hang")
        poison = await harness.make("lost-later hang")
        together = [*innocents, poison]
        await wait_until_async(lambda: len(harness.executor.running) == 4)
        harness.executor.end_words = {"hang": "piano", "lost-later": "lost"}
        for job in together:
            harness.executor.lose(Lost(job.id, "it ended", shared=True, process_ended=True))
        harness.executor.lose(Stopped(behind.id))  # it was never begun
        for job in [*innocents, behind]:
            done = await harness.done(job)
            assert (done.status, done.attempts) == ("succeeded", 1), done.error
        failed = await harness.done(poison)
        assert (failed.status, failed.attempts) == ("failed", 1)
        again = {work.id: work for work in harness.executor.submitted[4:]}
        assert all(again[job.id].isolated for job in together)
        assert not again[behind.id].isolated
        assert not again[behind.id].alone
        assert not harness.dispatcher._suspects  # nothing is kept of those who ended

    tell(story, tmp_path, attempts=1)


def test_what_broke_off_in_a_process_that_lives_needs_no_other(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.make("hang")
        await wait_until_async(lambda: harness.executor.running)
        harness.executor.end_words = {"hang": "piano"}
        harness.executor.lose(Lost(job.id, "memory ran out"))
        assert (await harness.done(job)).status == "succeeded"
        again = harness.executor.submitted[-1]
        assert (again.alone, again.isolated) == (True, False)

    tell(story, tmp_path)


def test_isolated_jobs_are_in_nobody_s_way(tmp_path: Path) -> None:
    """As many as are fetched at once wait to be tried apart; others are begun all the same."""

    async def story(harness: Harness) -> None:
        suspects = [await harness.make("hang") for _ in range(dispatcher_module.AT_ONCE)]
        await wait_until_async(lambda: len(harness.executor.running) == len(suspects))
        for job in suspects:
            harness.executor.lose(Lost(job.id, "it ended", shared=True, process_ended=True))
        await wait_until_async(lambda: len(harness.executor.submitted) == 2 * len(suspects))
        harness.executor.room += len(suspects)
        assert (await harness.done(await harness.make())).status == "succeeded"

    tell(story, tmp_path, room=dispatcher_module.AT_ONCE)


def test_restarts_are_no_attempts(tmp_path: Path) -> None:
    for _ in range(3):

        async def begun(harness: Harness) -> None:
            if harness.store.job("long") is None:
                harness.store.add_job(
                    Job("long", "training", "cog", {"prompt": "hang"}, "nano"), limit=10
                )
                harness.dispatcher._wake.set()
            await wait_until_async(lambda: harness.executor.running)

        tell(begun, tmp_path, attempts=1)

    async def wait_until_finished(harness: Harness) -> None:
        await wait_until_async(lambda: harness.executor.running)
        harness.executor.end_words = {"hang": "piano"}
        harness.executor.lose(Stopped("long"))
        done = await harness.dispatcher.wait_until_ended("long", PATIENCE)
        assert (done.status, done.attempts) == ("succeeded", 1), done.error

    tell(wait_until_finished, tmp_path, attempts=1)


def test_the_next_server_goes_on_with_what_the_last_one_left(tmp_path: Path) -> None:
    # The first is killed: nothing of it is told to stop.
    left = Harness(tmp_path)
    for id in ("waiting", "running", "unwanted"):
        job = Job(id, "prediction", "cog", {"prompt": "piano"}, "nano", webhook="https://x")
        left.store.add_job(job, limit=10)
    for id in ("running", "unwanted"):
        left.store.begin(id)
    left.store.request_cancel("unwanted")
    left.store.close()
    owed: list[None] = []

    async def story(harness: Harness) -> None:
        for id, status in (("waiting", "succeeded"), ("running", "succeeded"),
                           ("unwanted", "canceled")):  # fmt: skip
            job = await harness.dispatcher.wait_until_ended(id, PATIENCE)
            assert job.status == status
        running = await harness.dispatcher.wait_until_ended("running", PATIENCE)
        assert running.attempts == 1  # not its failure
        assert owed

    tell(story, tmp_path, on_owed=lambda: owed.append(None))


def test_a_deadline_survives_a_restart_and_a_clock_that_jumps(tmp_path: Path) -> None:
    left = Harness(tmp_path)
    for id, created in (
        ("old", utc_now() - timedelta(hours=1)),
        ("future", utc_now() + timedelta(days=9)),
    ):
        job = Job(id, "prediction", "cog", {"prompt": "hang"}, "nano", cancel_after=0.3,
                  created_at=created)  # fmt: skip
        left.store.add_job(job, limit=10)
    left.store.close()

    async def story(harness: Harness) -> None:
        for id in ("old", "future"):
            assert (await harness.dispatcher.wait_until_ended(id, PATIENCE)).status == "canceled"

    tell(story, tmp_path)


def test_a_training_publishes_a_version(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        named = await harness.done(await harness.make(kind="training", destination="me/my-style"))
        assert named.output is not None
        version = harness.store.version(named.output["version"])
        assert version is not None
        assert (version.owner, version.name, version.training) == ("me", "my-style", named.id)
        plain = await harness.done(await harness.make(kind="training"))
        assert plain.output is not None
        assert harness.store.versions("someone", plain.output["model"])

    tell(story, tmp_path, owner="someone")


def test_waiting_has_an_end(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.make("hang")
        seen = await harness.dispatcher.wait_until_ended(job.id, 0.2)
        assert seen.status == "processing"
        with pytest.raises(KeyError):
            await harness.dispatcher.wait_until_ended("nobody", 1)

    tell(story, tmp_path)


@pytest.mark.slow
def test_a_job_can_be_watched_from_any_moment_on(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.make("slow")
        events = [event async for event in harness.dispatcher.watch(job.id)]
        states = [event.status for event in events if isinstance(event, Job)]
        assert states[0] in ("starting", "processing")
        assert states[-1] == "succeeded"
        assert isinstance(events[-1], Job)
        assert any(isinstance(event, Progressed) for event in events)
        assert any(isinstance(event, Logged) for event in events)
        after = [event async for event in harness.dispatcher.watch(job.id)]
        assert after == [events[-1]]
        assert not harness.dispatcher._watchers  # nothing is kept of those who left

    tell(story, tmp_path)


def test_results_can_be_sent_elsewhere_first(tmp_path: Path) -> None:
    async def publish(job: Job, folder: Path, output: dict[str, object]) -> dict[str, object]:
        if "refused" in job.output_prefix:
            raise FetchError("the upload was refused; give another URL")
        return output | {"urls": [f"{job.output_prefix}/output.wav"]}

    async def story(harness: Harness) -> None:
        sent = await harness.done(await harness.make(output_prefix="https://store"))
        assert sent.output is not None
        assert sent.output["urls"] == ["https://store/output.wav"]
        refused = await harness.done(await harness.make(output_prefix="https://refused"))
        assert (refused.status, refused.output) == ("failed", None)
        assert (await harness.done(await harness.make())).output == {"files": ["output.wav"]}

    tell(story, tmp_path, publish=publish)


@pytest.mark.slow
def test_draining_begins_nothing_and_lets_what_runs_finish(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        running = await harness.make("slow")
        await wait_until_async(lambda: harness.executor.running)
        harness.dispatcher.draining = True
        waiting = await harness.make("piano")
        await harness.dispatcher.drain(10)
        assert (await harness.done(running)).status == "succeeded"
        assert (await harness.dispatcher.wait_until_ended(waiting.id, 0.1)).status == "starting"
        assert not harness.dispatcher.ready

    tell(story, tmp_path)


def test_trainings_save_while_predictions_finish(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        training, prediction = (
            await harness.make("hang", kind="training"),
            await harness.make("slow"),
        )
        await wait_until_async(lambda: len(harness.executor.running) == 2)
        await harness.dispatcher.drain(PATIENCE)
        assert (await harness.done(prediction)).status == "succeeded"

        def saved() -> bool:
            job = harness.store.job(training.id)
            return job is not None and (job.status, job.attempts) == ("starting", 0)

        await wait_until_async(saved)

    tell(story, tmp_path)


def test_time_to_drain_counts_from_the_wish_to_stop(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        await harness.make("hang")
        await wait_until_async(lambda: harness.executor.running)
        harness.dispatcher.start_draining()
        await asyncio.sleep(0.2)
        async with asyncio.timeout(PATIENCE):
            await harness.dispatcher.drain(0.2)

    tell(story, tmp_path)


def test_a_full_disk_does_not_keep_a_server_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> Job:
        raise OutputError("the disk is full")

    harness = Harness(tmp_path)

    async def told() -> Job:
        async with harness.running():
            job = await harness.make("piano")
            stuck = await harness.make("hang")
            monkeypatch.setattr(harness.store, "finish", full)
            monkeypatch.setattr(harness.store, "log", full)
            await wait_until_async(lambda: len(harness.executor.submitted) == 2)
            harness.dispatcher._active[stuck.id].add_line("said last")
        return job

    async def in_time() -> Job:
        async with asyncio.timeout(PATIENCE):
            return await told()

    job = asyncio.run(in_time())
    left = Store(f"sqlite:///{tmp_path / 'songloom.db'}").job(job.id)
    assert left is not None
    assert left.status == "processing"  # for the next server to take up


def test_a_result_waits_for_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_handler, "RETRY_SECONDS", 0.01)

    async def story(harness: Harness) -> None:
        finish, refusals = harness.store.finish, []

        def full_at_first(*args: object, **kwargs: object) -> Job:
            if len(refusals) < 3:
                refusals.append(args)
                raise OutputError("the disk is full")
            return finish(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(harness.store, "finish", full_at_first)
        job = await harness.done(await harness.make())
        assert job.status == "succeeded"
        assert len(refusals) == 3

    tell(story, tmp_path)


def test_no_two_jobs_have_one_id(tmp_path: Path) -> None:
    async def story(harness: Harness) -> None:
        job = await harness.make()
        with pytest.raises(DuplicateError):
            await harness.dispatcher.accept(job)

    tell(story, tmp_path)


@pytest.mark.parametrize("id", ["../../etc", "a/b", "", ".", "x" * 500, "ü"])
def test_ids_of_clients_are_no_paths(tmp_path: Path, id: str) -> None:
    harness = Harness(tmp_path)
    folder = harness.dispatcher.folder(id)
    assert folder.parent == tmp_path / "jobs"
    assert re.fullmatch(r"[0-9a-f]{64}", folder.name)
    harness.store.close()
