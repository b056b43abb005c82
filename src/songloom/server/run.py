"""From settings to a server that runs until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout

from songloom.errors import OutputError
from songloom.jobs.local import LocalExecutor, LocalSettings
from songloom.jobs.places import server_folder, turns_folder
from songloom.server.app import make_app
from songloom.server.auth import check_binding
from songloom.server.logs import configure_logging
from songloom.server.services import Services, open_services
from songloom.settings import ServeSettings, listed

_GPUS = Path("/proc/driver/nvidia/gpus")


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT; what runs then gets time to finish, the rest is kept.

    Raises:
        RequestError: others could reach the address, and there is no token.
        OutputError: folders, the database or the address can't be used.
    """
    configure_logging(settings.log_format)
    folder = server_folder(settings)
    with _alone(folder):
        devices = devices_of(settings)
        executor = LocalExecutor(
            LocalSettings(
                devices=devices,
                turns=turns_folder(settings),
                model=settings.model,
                dtype=settings.dtype,
                max_batch=settings.max_batch,
                hang_seconds=settings.hang_seconds,
            )
        )
        server: _Server | None = None

        def stop() -> None:
            if server is not None:
                server.should_exit = True

        services = open_services(settings, executor, devices, stop)
        try:
            check_binding(settings, services.store)
            server = _Server(settings, services)
            server.run()
        finally:
            services.store.close()
        if not server.started:
            raise OutputError(
                f"{settings.host}:{settings.port} can't be listened on; another program may have "
                "the port: choose another with --port, or 0 for a free one"
            )


def devices_of(settings: ServeSettings) -> tuple[str, ...]:
    """The devices to compute on, found without loading PyTorch."""
    if settings.devices != "auto":
        return listed(settings.devices) or ("auto",)
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        count = len(listed(chosen))
    else:
        count = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
    # With one or none, a worker finds by itself what is best.
    return tuple(f"cuda:{i}" for i in range(count)) if count > 1 else ("auto",)


class _Server(uvicorn.Server):
    """Says where it listens; begins nothing new once it was told to stop."""

    def __init__(self, settings: ServeSettings, services: Services) -> None:
        self._services = services
        super().__init__(
            uvicorn.Config(
                make_app(services),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
                # Only a proxy on this machine is believed what it says of its clients.
                forwarded_allow_ips="127.0.0.1",
            )
        )

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in getattr(self, "servers", ()):
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                print(f"songloom serves on http://{shown}:{port}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not the inherited way, which ends the process by that signal after all is done: a server
        # that was told to stop, and did, has not failed.
        self._services.dispatcher.draining = True
        self.force_exit = self.should_exit
        self.should_exit = True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
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
