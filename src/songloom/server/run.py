"""From settings to a server that runs until it is told to stop, and then stops."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout

from songloom.errors import OutputError
from songloom.jobs.paths import locks_folder, server_folder
from songloom.jobs.supervisor import Supervisor, SupervisorSettings
from songloom.server.app import make_app
from songloom.server.http.auth import check_binding
from songloom.server.http.logs import configure_logging
from songloom.server.http.protocol import TimedProtocol
from songloom.server.services import Services, open_services
from songloom.settings import ServeSettings, split_list

_BACKLOG = 2048
"""Connections that may wait to be accepted."""
STOP_SECONDS = 4.5
"""How long after the time to drain a server that was told to stop is there at most."""
_GPUS = Path("/proc/driver/nvidia/gpus")
_LOG = logging.getLogger(__name__)


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT; what runs then gets time to finish, the rest is kept.

    Raises:
        RequestError: others could reach the address, and there is no token.
        OutputError: folders, the database or the address can't be used.
    """
    configure_logging(settings.log_format)
    with _lock_folder(server_folder(settings)), _open_listener(settings) as listener:
        # URLs are made, and recognised, by the port that there really is.
        settings = replace(settings, port=listener.getsockname()[1])
        devices = devices_of(settings)
        executor = Supervisor(
            SupervisorSettings(
                devices=devices,
                locks=locks_folder(settings),
                model=settings.model,
                dtype=settings.dtype,
                max_batch=settings.max_batch,
                hang_seconds=settings.hang_seconds,
            )
        )
        server: _Server | None = None

        def stop() -> None:
            if server is not None:
                server.stop()

        services = open_services(settings, executor, devices, stop)
        try:
            check_binding(settings, services.store)
            server = _Server(settings, services, executor.kill)
            server.run([listener])
        finally:
            services.store.close()
            if server is not None:
                server.ended.set()


def devices_of(settings: ServeSettings) -> tuple[str, ...]:
    """The devices to compute on, found without loading PyTorch."""
    if settings.devices != "auto":
        return split_list(settings.devices) or ("auto",)
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        count = len(split_list(chosen))
    else:
        count = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
    # With one or none, a worker finds by itself what is best.
    return tuple(f"cuda:{i}" for i in range(count)) if count > 1 else ("auto",)


class _Server(uvicorn.Server):
    """Says where it listens; begins nothing new once it was told to stop."""

    def __init__(
        self, settings: ServeSettings, services: Services, kill_workers: Callable[[], None]
    ) -> None:
        self._services, self._kill_workers = services, kill_workers
        self._stopping = False
        self.ended = threading.Event()
        """Set once nothing of the server is left that could hang."""
        super().__init__(
            uvicorn.Config(
                make_app(services),
                http=TimedProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
                # Only a proxy on this machine is believed what it says of its clients.
                forwarded_allow_ips="127.0.0.1",
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settings = self._services.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"songloom serves on http://{host}:{settings.port}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not the inherited way, which ends the process by that signal after all is done: a server
        # that was told to stop, and did, has not failed.
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """Begin nothing new, and be gone in time, whatever a disk or a client does."""
        self.should_exit = True
        self._services.dispatcher.start_draining()
        if not self._stopping:
            self._stopping = True
            threading.Thread(target=self._end_in_time, name="stopping", daemon=True).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._services.dispatcher.stop_trainings()
        await super().shutdown(sockets)

    def _end_in_time(self) -> None:
        """End the process if it is still there then: what it waits for may never come."""
        if self.ended.wait(self._services.settings.drain_seconds + STOP_SECONDS):
            return
        _LOG.error("the server does not end by itself; what was not written is taken up again")
        self._kill_workers()
        os._exit(0)


@contextmanager
def _open_listener(settings: ServeSettings) -> Iterator[socket.socket]:
    """A socket on the address, or a clear refusal."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # TCP by name: asyncio sends answers without delay (TCP_NODELAY) on such sockets only, which
    # otherwise wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OutputError(
            f"{settings.host}:{settings.port} can't be listened on ({error.strerror}); choose an "
            "address of this machine with --host, and a free port with --port (0 takes one)"
        ) from error
    with listener:
        yield listener


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Refuse two servers on one folder; a killed one holds nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "server.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"a server runs on {folder} already; stop it, or give this one another --folder"
        ) from None
    except OSError as error:
        raise OutputError(
            f"{folder} can't be written ({error}); give a --folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()
