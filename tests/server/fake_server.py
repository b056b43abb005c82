"""A server in a process of its own that only pretends to compute; it prints its URL.

Run as `python -m tests.server.fake_server FOLDER`; settings come from the environment.
"""

import os
import socket
import sys
from pathlib import Path

import uvicorn

from songloom.checkpoints.home import ADAPTER_CONFIG, ADAPTER_WEIGHTS, model_folder
from songloom.jobs.messages import Succeeded, Work, WorkEvent
from songloom.server.app import make_app
from songloom.server.services import open_services
from songloom.settings import read_settings
from tests.server.fakes import FakeExecutor


class TrainingExecutor(FakeExecutor):
    """A fake whose trainings leave something behind that is a model to look at."""

    async def _outcome(self, work: Work) -> WorkEvent:
        outcome = await super()._outcome(work)
        if work.kind == "training" and isinstance(outcome, Succeeded):
            folder = model_folder(str(work.request["name"]))
            folder.mkdir(parents=True)
            (folder / ADAPTER_CONFIG).write_text('{"base_model_name_or_path": "nano"}')
            (folder / ADAPTER_WEIGHTS).write_bytes(b"")
        return outcome


def main(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = read_settings({"folder": folder, "port": port, "drain_seconds": 0.0})
        services = open_services(settings, TrainingExecutor(), ("cpu",))
        config = uvicorn.Config(make_app(services), log_config=None, timeout_graceful_shutdown=1)
        print(f"http://127.0.0.1:{port}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])
        services.store.close()


if __name__ == "__main__":
    os.environ["SONGLOOM_HOME"] = sys.argv[1]
    main(Path(sys.argv[1]) / "server")
