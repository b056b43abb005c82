"""What a worker's parent makes of what the process says, and of its end."""

import asyncio
import sys
from pathlib import Path

from songloom.jobs.messages import Lost, Work, WorkEvent
from songloom.jobs.worker_process import WorkerProcess

GIVES_UP = """
import sys, time
from pathlib import Path
from songloom.jobs.messages import Lost
from songloom.jobs.messages import decode_command, encode

work = decode_command(sys.stdin.buffer.readline())
sys.stdout.buffer.write(encode(Lost(work.id, "it hangs", process_ended=True)))
sys.stdout.buffer.flush()
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


def test_a_process_that_is_about_to_end_is_not_idle(tmp_path: Path) -> None:
    """What it would be given then would die with it, through no fault of its own."""

    async def story() -> None:
        events: asyncio.Queue[WorkEvent | None] = asyncio.Queue()
        ends = tmp_path / "ends"
        command = [sys.executable, "-c", GIVES_UP, str(ends)]
        worker = WorkerProcess("cpu", command, events, isolated=True)
        await worker.give(Work("a", "prediction", {}, "nano", tmp_path), owns_process=True)
        running = asyncio.create_task(worker.run(None))
        async with asyncio.timeout(60):
            assert await events.get() == Lost("a", "it hangs", process_ended=True)
            assert not worker.idle.is_set()
            ends.touch()
            await worker.idle.wait()
            await running
        assert events.empty()

    asyncio.run(story())
