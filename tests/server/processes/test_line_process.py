"""Asking a process, whatever becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from songloom.server.processes import line_process
from songloom.server.processes.line_process import LineProcess, ProcessEndedError
from tests.waiting import PATIENCE

ECHO = "tests.server.echo_process"


def with_echo(story: Callable[[LineProcess], Awaitable[None]], seconds: float = 30.0) -> None:
    async def run() -> None:
        process = LineProcess(ECHO, seconds)
        try:
            await story(process)
        finally:
            await process.close()

    asyncio.run(run())


def test_questions_are_answered_in_turn_by_one_process() -> None:
    async def story(echo: LineProcess) -> None:
        assert await echo.ask({"number": 0}) == {"number": 0}
        process = echo._process
        answers = await asyncio.gather(*(echo.ask({"number": i}) for i in range(5)))
        assert answers == [{"number": i} for i in range(5)]
        assert echo._process is process

    with_echo(story)


def test_a_process_that_ends_is_told_and_replaced() -> None:
    async def story(echo: LineProcess) -> None:
        with pytest.raises(ProcessEndedError, match=r"exit code 3"):
            await echo.ask({"do": "end"})
        assert await echo.ask({"number": 1}) == {"number": 1}

    with_echo(story)


def test_a_process_that_hangs_is_ended() -> None:
    async def story(echo: LineProcess) -> None:
        with pytest.raises(ProcessEndedError, match="it took more than"):
            await echo.ask({"do": "hang"})
        assert echo._process is None

    with_echo(story, seconds=0.2)


def test_a_question_that_is_given_up_leaves_no_answer_for_the_next() -> None:
    async def story(echo: LineProcess) -> None:
        asking = asyncio.create_task(echo.ask({"do": "hang"}))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await echo.ask({"number": 2}) == {"number": 2}

    with_echo(story)


def test_a_process_that_nobody_asks_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_process, "IDLE_SECONDS", 0.05)

    async def story(echo: LineProcess) -> None:
        await echo.ask({})
        process = echo._process
        assert process is not None
        await asyncio.wait_for(process.wait(), PATIENCE)
        await asyncio.sleep(0)
        assert await echo.ask({"number": 3}) == {"number": 3}

    with_echo(story)
