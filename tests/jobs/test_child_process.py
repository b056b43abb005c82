"""A helper process and its lines."""

import asyncio
import sys

import pytest

from songloom.jobs.child_process import LINE_LIMIT, ChildProcess

ECHO = "import os, sys\nfor line in sys.stdin: print(os.environ['X'], line, end='', flush=True)"


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_go_there_and_back_until_its_input_is_closed() -> None:
    async def story() -> tuple[list[bytes], int]:
        child = await ChildProcess.start(command(ECHO), {"X": "heard"})
        await child.send(b"a\n")
        first = await child.read_line()
        await child.send(b"b\n")
        child.close_input()
        return [first, *[line async for line in child.lines()]], await child.wait()

    assert asyncio.run(story()) == ([b"heard a\n", b"heard b\n"], 0)


def test_a_killed_process_gets_no_more_and_says_no_more() -> None:
    async def story() -> int:
        child = await ChildProcess.start(command("import time; time.sleep(60)"))
        child.kill()
        code = await child.wait()
        child.kill()
        await child.send(b"x" * LINE_LIMIT)
        assert await child.read_line() == b""
        return code

    assert asyncio.run(story()) != 0


def test_a_line_without_end_is_refused() -> None:
    async def story() -> None:
        endless = f"import sys; sys.stdout.write('x' * {2 * LINE_LIMIT + 2}); sys.stdin.read()"
        child = await ChildProcess.start(command(endless))
        with pytest.raises(ValueError, match="limit"):
            await child.read_line()
        child.kill()
        await child.wait()

    asyncio.run(story())


def test_a_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="nowhere"):
        asyncio.run(ChildProcess.start(["/nowhere/program"]))
