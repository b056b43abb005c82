"""Webhooks arrive, signed and in order, or are given up as each API gives them up."""

import asyncio
import itertools
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from replicate.webhook import Webhooks, WebhookSigningSecret

from songloom.errors import OutputError
from songloom.jobs.store.records import Delivery, Job
from songloom.jobs.store.store import Store
from songloom.server import webhooks
from songloom.server.files.addresses import FetchRules
from songloom.server.files.fetch import Fetcher
from songloom.server.http.signing import Signer
from songloom.server.inputs.model_index import ModelIndex
from songloom.server.inputs.webhook_urls import check_webhook
from songloom.server.webhooks import WebhookSender, base_url, render_delivery
from songloom.settings import ServeSettings
from tests.server.loopback import HOST, Answer, Server, Visit
from tests.waiting import PATIENCE, wait_until_async


def told_by(visit: Visit) -> tuple[str, str]:
    """Which job a webhook is about, and the job's status."""
    payload = json.loads(visit.body)
    return payload["id"], payload["status"]


class Receiver(Server):
    """A server of someone who wants to be told: answers with `statuses`, then with 200."""

    def __init__(self, statuses: Iterable[int] = (), before_answer: Answer | None = None) -> None:
        super().__init__(self._take)
        self._statuses, self._before_answer = iter(statuses), before_answer

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/told?secret=1"

    async def _take(self, visit: Visit) -> None:
        if self._before_answer is not None:
            await self._before_answer(visit)
        status = next(self._statuses, 200)
        await visit.answer(b"", f"{status} Said", **{"location": "/"} if status == 302 else {})


class Told:
    """What a store owes, and a sender of it."""

    def __init__(self, store: Store, receiver: Receiver) -> None:
        self.store, self.receiver = store, receiver
        self.signer = Signer.from_store(store)
        self.owed = asyncio.Event()
        self.render: Callable[[Delivery], dict[str, Any]] = lambda delivery: {
            "id": delivery.job.id,
            "status": delivery.job.status,
        }

    @asynccontextmanager
    async def sending(self, private_hosts: tuple[str, ...] = (HOST,)) -> AsyncIterator[None]:
        fetcher = Fetcher(FetchRules(private_hosts=private_hosts))
        sender = WebhookSender(
            self.store, fetcher, self.signer, lambda delivery: self.render(delivery), self.owed
        )
        task = asyncio.create_task(sender.run())
        try:
            yield
        finally:
            assert not task.done(), "the sender stopped by itself"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def finish(self, id: str, **changes: Any) -> None:
        """A job from its acceptance to its end, with a webhook for each step."""
        fields: dict[str, Any] = {"surface": "replicate", "webhook": self.receiver.url} | changes
        self.store.add_job(Job(id=id, kind="prediction", input={}, model="nano", **fields), limit=9)
        self.store.begin(id)
        self.store.finish(id, "succeeded", output={"files": ["output.wav"]})
        self.owed.set()

    async def settled(self) -> None:
        """Wait until nothing is owed."""
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(self.store.count_deliveries):
                await asyncio.sleep(0.005)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 0.02)
    store = Store(f"sqlite:///{tmp_path / 'songloom.db'}")
    yield store
    store.close()


def run(
    store: Store, receiver: Receiver, story: Callable[[Told], Coroutine[Any, Any, None]]
) -> None:
    async def told() -> None:
        async with receiver.listening():
            await story(Told(store, receiver))

    asyncio.run(told())


def test_a_webhook_arrives_signed_as_the_official_client_verifies(store: Store) -> None:
    receiver = Receiver()

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a")
            await told.settled()
        secret = WebhookSigningSecret(key=told.signer.webhook_secret)
        for visit in receiver.visits:
            body = visit.body.decode()
            Webhooks.validate(headers=visit.headers, body=body, secret=secret, tolerance=60)

    run(store, receiver, story)
    assert [visit.path for visit in receiver.visits] == ["/told?secret=1"] * 3
    assert {visit.headers["content-type"] for visit in receiver.visits} == {"application/json"}
    assert len({visit.headers["webhook-id"] for visit in receiver.visits}) == 3


def test_a_job_s_webhooks_come_in_order_as_it_was_then(store: Store) -> None:
    async def slowly(visit: Visit) -> None:
        # The later, the faster: whoever sent them together would have them arrive backwards.
        await asyncio.sleep(0.05 / len(receiver.visits))

    receiver = Receiver(before_answer=slowly)

    async def story(told: Told) -> None:
        for id in "abc":
            told.finish(id)
        async with told.sending():
            await told.settled()

    run(store, receiver, story)
    for id in "abc":
        told = [told_by(visit)[1] for visit in receiver.visits if told_by(visit)[0] == id]
        assert told == ["processing", "succeeded", "succeeded"]


def test_a_receiver_that_hangs_holds_up_no_other_job(store: Store) -> None:
    async def hang(visit: Visit) -> None:
        if told_by(visit)[0] == "a":
            await asyncio.sleep(60)

    receiver = Receiver(before_answer=hang)

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a")
            told.finish("b")
            async with asyncio.timeout(PATIENCE):
                # A first webhook of "a" is owed still; of "b" nothing is.
                while {delivery.job.id for delivery in store.due_deliveries()} != {"a"}:
                    await asyncio.sleep(0.005)
        assert [told_by(visit)[0] for visit in receiver.visits].count("b") == 3

    run(store, receiver, story)


def test_more_jobs_than_are_sent_at_once_all_have_their_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "AT_ONCE", 2)
    at_once: list[int] = []
    now = itertools.count()
    inside: set[int] = set()

    async def count(visit: Visit) -> None:
        number = next(now)
        inside.add(number)
        at_once.append(len(inside))
        # The first of two waits for the second, which a sender of one at a time would never send.
        await wait_until_async(lambda: len(at_once) >= 2 * (number // 2) + 2)
        inside.remove(number)

    receiver = Receiver(before_answer=count)

    async def story(told: Told) -> None:
        for id in "abcdef":
            told.finish(id, webhook_events=("completed",))
        async with told.sending():
            await told.settled()

    run(store, receiver, story)
    assert sorted(told_by(visit)[0] for visit in receiver.visits) == list("abcdef")
    assert max(at_once) == 2


@pytest.mark.parametrize("surface", ["replicate", "cog"])
def test_a_last_webhook_is_tried_again_under_the_same_id(
    store: Store, monkeypatch: pytest.MonkeyPatch, surface: str
) -> None:
    monkeypatch.setattr(webhooks, "REPLICATE_FIRST", 0.01)
    monkeypatch.setattr(webhooks, "COG_FIRST", 0.01)
    receiver = Receiver([503, 429])

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a", surface=surface, webhook_events=("completed",))
            await told.settled()

    run(store, receiver, story)
    assert len(receiver.visits) == 3
    assert len({visit.body for visit in receiver.visits}) == 1
    ids = {visit.headers.get("webhook-id") for visit in receiver.visits}
    assert len(ids) == 1
    assert (ids == {None}) == (surface == "cog")  # Cog signs nothing


def test_a_server_that_was_killed_sends_what_it_owed(store: Store) -> None:
    async def hang(visit: Visit) -> None:
        if len(receiver.visits) == 1:
            await asyncio.sleep(60)

    receiver = Receiver(before_answer=hang)

    async def story(told: Told) -> None:
        told.finish("a")
        async with told.sending(), asyncio.timeout(PATIENCE):
            while not receiver.visits:
                await asyncio.sleep(0.005)
        async with Told(store, receiver).sending():
            await told.settled()

    run(store, receiver, story)
    told = [told_by(visit)[1] for visit in receiver.visits]
    assert told == ["processing", "processing", "succeeded", "succeeded"]
    first, second, *_ = receiver.visits
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_what_arrives_while_the_store_is_asked_is_not_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()
    looked, delivered = threading.Event(), threading.Event()
    ask, forget = store.due_deliveries, store.remove_delivery

    def owed(limit: int) -> list[Delivery]:
        found = ask(limit)
        if found and next(looks) == 1:  # the second look sees what is being sent, and is slow
            looked.set()
            assert delivered.wait(PATIENCE)
            time.sleep(0.05)
        return found

    def arrived(id: int) -> None:
        forget(id)
        delivered.set()

    async def until_looked(visit: Visit) -> None:
        assert await asyncio.to_thread(looked.wait, PATIENCE)

    monkeypatch.setattr(store, "due_deliveries", owed)
    monkeypatch.setattr(store, "remove_delivery", arrived)
    receiver = Receiver(before_answer=until_looked)

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a", webhook_events=("completed",))
            await told.settled()
            await asyncio.sleep(0.1)

    run(store, receiver, story)
    assert delivered.is_set()
    assert len(receiver.visits) == 1


class _Impatient(Store):
    """Notes how long deliveries are put off, and does not wait for it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.waits: list[float] = []

    def postpone(self, id: int, seconds: float) -> None:
        self.waits.append(seconds)
        super().postpone(id, 0)


@pytest.mark.parametrize(
    ("surface", "status", "waits"),
    [
        ("replicate", 500, [1, 2, 4, 8, 16, 32]),
        ("replicate", 404, [1, 2, 4, 8, 16, 32]),
        ("replicate", 302, [1, 2, 4, 8, 16, 32]),
        ("cog", 500, [0.1 * 2**n for n in range(11)] + [120]),
        ("cog", 404, []),
        ("cog", 302, []),
    ],
)
def test_when_a_webhook_is_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    surface: str,
    status: int,
    waits: list[float],
) -> None:
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 0.01)
    store = _Impatient(f"sqlite:///{tmp_path / 'songloom.db'}")
    receiver = Receiver(itertools.repeat(status))

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a", surface=surface, webhook_events=("completed",))
            await told.settled()

    run(store, receiver, story)
    store.close()
    assert store.waits == pytest.approx(waits)
    assert [visit.path for visit in receiver.visits] == ["/told?secret=1"] * (len(waits) + 1)


@pytest.mark.parametrize("surface", ["replicate", "cog"])
def test_what_is_not_final_is_sent_once(store: Store, surface: str) -> None:
    receiver = Receiver(itertools.repeat(500))

    async def story(told: Told) -> None:
        async with told.sending():
            told.finish("a", surface=surface, webhook_events=("start", "output"))
            await told.settled()

    run(store, receiver, story)
    assert [told_by(visit)[1] for visit in receiver.visits] == ["processing", "succeeded"]


@pytest.mark.parametrize("surface", ["replicate", "cog"])
def test_a_receiver_that_is_away_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surface: str
) -> None:
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 0.01)
    store = _Impatient(f"sqlite:///{tmp_path / 'songloom.db'}")
    receiver = Receiver()

    async def story(told: Told) -> None:
        async with receiver.listening():
            nobody = receiver.url
        async with told.sending():
            told.finish("a", surface=surface, webhook=nobody, webhook_events=("completed",))
            await told.settled()

    asyncio.run(story(Told(store, receiver)))
    store.close()
    assert len(store.waits) == (6 if surface == "replicate" else 12)


def test_a_private_receiver_is_told_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()

    async def story(told: Told) -> None:
        async with told.sending(private_hosts=()):
            told.finish("a")
            await told.settled()

    run(store, receiver, story)
    assert receiver.visits == []
    assert "not on the public internet" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_holds_nothing_up(
    store: Store, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    receiver = Receiver([500])

    async def story(told: Told) -> None:
        put_off = asyncio.Event()
        postpone = store.postpone
        loop = asyncio.get_running_loop()

        def jumping(id: int, seconds: float) -> None:
            postpone(id, 3000.0)
            moment = time.time() + jump
            monkeypatch.setattr(time, "time", lambda: moment)
            loop.call_soon_threadsafe(put_off.set)

        monkeypatch.setattr(store, "postpone", jumping)
        async with told.sending():
            told.finish("a", webhook_events=("completed",))
            async with asyncio.timeout(PATIENCE):
                await put_off.wait()
            await told.settled()

    run(store, receiver, story)
    assert len(receiver.visits) == 2


def test_a_database_that_is_away_for_a_while_holds_up_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()

    def at_first_not(method: Callable[..., Any]) -> Callable[..., Any]:
        failing = itertools.chain([True], itertools.repeat(False))

        def called(*arguments: Any) -> Any:
            if next(failing):
                raise OutputError("the database can't be used; see that it can be reached")
            return method(*arguments)

        return called

    async def story(told: Told) -> None:
        monkeypatch.setattr(store, "due_deliveries", at_first_not(store.due_deliveries))
        monkeypatch.setattr(store, "remove_delivery", at_first_not(store.remove_delivery))
        told.render = at_first_not(told.render)
        async with told.sending():
            told.finish("a", webhook_events=("completed",))
            await told.settled()

    run(store, receiver, story)
    assert caplog.text.count("the database can't be used") == 3
    # The second time because nobody could note that it had arrived.
    assert [told_by(visit) for visit in receiver.visits] == [("a", "succeeded")] * 2


def test_a_fault_of_ours_costs_one_webhook(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()

    async def story(told: Told) -> None:
        good = told.render

        def render(delivery: Delivery) -> dict[str, Any]:
            if delivery.event == "start":
                raise KeyError("no such model")
            return good(delivery)

        told.render = render
        async with told.sending():
            told.finish("a")
            await told.settled()

    with caplog.at_level(logging.ERROR):
        run(store, receiver, story)
    assert [told_by(visit)[1] for visit in receiver.visits] == ["succeeded", "succeeded"]
    assert "no such model" in caplog.text


def _delivery(surface: Any, **changes: Any) -> Delivery:
    job = Job("a", "prediction", surface, {"prompt": "bells"}, "nano", **changes)
    return Delivery(1, "completed", job, 0)


def test_bodies_have_the_form_of_the_api_that_the_job_came_in_by(
    store: Store, tmp_path: Path
) -> None:
    settings = ServeSettings(public_url="https://music.example/")
    render = render_delivery(
        settings, Signer.from_store(store), ModelIndex(store, settings), tmp_path
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "output.wav").write_bytes(b"RIFF")
    done: dict[str, Any] = {"status": "succeeded", "output": {"files": ["output.wav"]}}

    replicate = render(_delivery("replicate", **done))
    assert replicate["output"].startswith("https://music.example/v1/outputs/a/output.wav?expires=")
    assert replicate["urls"]["get"] == "https://music.example/v1/predictions/a"
    assert replicate["model"] == "songloom/nano"

    cog = render(_delivery("cog", **done))
    assert cog["output"].endswith(";base64,UklGRg==")
    assert cog["input"]["prompt"] == "bells"
    assert "urls" not in cog
    json.dumps([replicate, cog])


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 9}, "http://127.0.0.1:9"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
        ({"public_url": "https://music.example/api/"}, "https://music.example/api"),
    ],
)
def test_urls_that_no_request_asked_for(settings: dict[str, Any], url: str) -> None:
    assert base_url(ServeSettings(**settings)) == url


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest?secret=1", "ftp://a.example/", "https://me:pw@a.example/"],
)
def test_a_webhook_that_could_never_be_sent_is_refused_at_once(url: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        asyncio.run(check_webhook(Fetcher(FetchRules()), url, ("body", "webhook")))
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("body", "webhook")
    assert "secret" not in fault["msg"]
    assert "pw" not in fault["msg"]


def test_a_webhook_that_may_be_sent_later_is_taken() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    fetcher = Fetcher(FetchRules(), unknown)
    asyncio.run(check_webhook(fetcher, "https://a.example/told", ("body", "webhook")))
    asyncio.run(check_webhook(fetcher, "", ("body", "webhook")))
