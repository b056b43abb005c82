"""How the server is set up: each setting once, for flags, environment and one TOML file.

A flag (`--queue-limit 20`) wins over the environment (`SONGLOOM_QUEUE_LIMIT=20`), which wins over
the file (`queue_limit = 20`), which wins over the default.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from songloom.errors import RequestError
from songloom.fields import Option, Request, fields_of

PREFIX = "SONGLOOM_"
ORIGINAL = "sakemin/musicgen-fine-tuner"
"""The hosted model that the server takes the place of."""


@dataclass(frozen=True)
class ServeSettings(Request):
    """A server to run.

    Raises:
        RequestError: a value or a combination of values is invalid.
    """

    host: Annotated[
        str, Option("Address to listen on; one that others can reach needs tokens.")
    ] = "127.0.0.1"
    port: Annotated[
        int, Option("Port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    ] = 8000
    model: Annotated[
        str, Option("Model of requests that name none: a name, a hub id, or a folder.")
    ] = "nano"
    devices: Annotated[
        str,
        Option(
            "Devices to compute on, separated by commas: cpu, cuda:0, ...; auto is every CUDA "
            "device, else the CPU."
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        Option("Precision of the weights; auto is the fastest that is accurate."),
    ] = "auto"
    database: Annotated[
        str | None,
        Option(
            "URL of the database, such as postgresql+psycopg://user:password@host/name "
            "(default: an SQLite file in the server's folder)."
        ),
    ] = None
    folder: Annotated[
        Path | None,
        Option("Folder of the server's files (default: `server` in SONGLOOM_HOME)."),
    ] = None
    owner: Annotated[str, Option("Name of the account that trained models belong to.")] = "me"
    aliases: Annotated[
        str,
        Option(
            "Models by other names, as name=model pairs separated by commas; a name is "
            "owner/name, owner/name:version, or a value of model_version."
        ),
    ] = ""
    public_url: Annotated[
        str | None,
        Option(
            "URL that clients reach the server by, where a proxy stands before it; output URLs "
            "begin with it."
        ),
    ] = None
    allow_anonymous: Annotated[
        bool, Option("Serve everyone who can reach the address, without tokens.")
    ] = False
    queue_limit: Annotated[
        int,
        Option("Jobs that may wait; more are refused (429, or 409 on /predictions).", minimum=1),
    ] = 100
    max_batch: Annotated[
        int, Option("Predictions that are decoded together on a device.", minimum=1)
    ] = 16
    attempts: Annotated[int, Option("Attempts per job before it fails.", minimum=1)] = 3
    hang_seconds: Annotated[
        float, Option("Seconds without a heartbeat before a worker is restarted.", above=0)
    ] = 300.0
    wait_seconds: Annotated[
        float,
        Option("Longest time that a request may wait for its result (Prefer: wait).", above=0),
    ] = 55.0
    max_body_mb: Annotated[
        float, Option("Largest body of a JSON request, in megabytes.", above=0)
    ] = 100.0
    max_file_mb: Annotated[
        float, Option("Largest file that is uploaded or fetched, in megabytes.", above=0)
    ] = 4096.0
    fetch_seconds: Annotated[
        float, Option("Longest time that fetching a file may take.", above=0)
    ] = 300.0
    fetch_hosts: Annotated[
        str,
        Option(
            "Hosts that files may be fetched from and webhooks sent to, separated by commas "
            "(*.example.com for all below; default: every public one)."
        ),
    ] = ""
    private_hosts: Annotated[
        str,
        Option(
            "Hosts that may be reached although their addresses are private, separated by "
            "commas; for a storage or an application of your own."
        ),
    ] = ""
    upload_url: Annotated[
        str | None,
        Option("URL to upload outputs of /predictions to, by PUT (default: data URLs)."),
    ] = None
    keep_days: Annotated[
        float | None,
        Option("Days that ended jobs and uploaded files are kept (default: forever).", above=0),
    ] = None
    keep_gb: Annotated[
        float | None,
        Option("Gigabytes that they may take, oldest deleted first (default: no limit).", above=0),
    ] = None
    drain_seconds: Annotated[
        float,
        Option(
            "Time that running predictions get to finish when the server is stopped.", minimum=0
        ),
    ] = 30.0
    log_format: Annotated[
        Literal["text", "json"], Option("Form of the log lines: text, or json (one object each).")
    ] = "text"

    def __post_init__(self) -> None:
        """Bring every value into its declared type, then check what hangs together."""
        super().__post_init__()
        self.alias_table()
        for name in ("public_url", "upload_url"):
            url = getattr(self, name)
            if url is not None and not _is_web(url):
                raise RequestError(
                    f"{name} is {url!r}, but must be a URL with http or https; correct it, or "
                    "leave it out"
                )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address that is listened on."""
        return _is_loopback(self.host)

    @property
    def local_only(self) -> bool:
        """Whether nobody else can reach the server, not even by way of a proxy before it."""
        public = urlsplit(self.public_url or "").hostname
        return self.loopback and (public is None or _is_loopback(public))

    def alias_table(self) -> dict[str, str]:
        """Models by the other names that they are asked for by; the original's is one of them.

        Raises:
            RequestError: a pair is no pair.
        """
        table = {ORIGINAL: self.model}
        for pair in split_list(self.aliases):
            name, found, model = (part.strip() for part in pair.partition("="))
            if not (name and found and model):
                raise RequestError(
                    f"aliases has {pair!r}, but must be name=model pairs separated by commas, such "
                    f"as {ORIGINAL}=nano; correct it"
                )
            table[name] = model
        return table


def split_list(text: str) -> tuple[str, ...]:
    """The parts of a text that are separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read_settings(
    flags: Mapping[str, Any],
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ServeSettings:
    """Settings out of all places that they can be given in.

    Args:
        flags: values given on the command line.
        file: a TOML file.
        environment: variables `SONGLOOM_<NAME>`.

    Raises:
        RequestError: a setting is unknown, a value is invalid, or the file can't be read.
    """
    values = {} if file is None else _read_toml(file)
    for spec in fields_of(ServeSettings):
        variable = PREFIX + spec.name.upper()
        text = environment.get(variable, "").strip()
        if text:
            try:
                values[spec.name] = _boolean(text) if spec.type is bool else spec.parse_text(text)
            except RequestError as error:
                raise RequestError(f"the variable {variable} is wrong: {error}") from None
    return ServeSettings.from_mapping(values | dict(flags))


def _read_toml(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        ServeSettings.from_mapping(values)
        return values
    except OSError as error:
        raise RequestError(
            f"config is '{file}', but it can't be read ({error.strerror}); give a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(
            f"config is '{file}', but that is not TOML: {error}; correct it"
        ) from None
    except RequestError as error:
        raise RequestError(f"in {file}: {error}") from None


def _boolean(text: str) -> bool | str:
    """The value of an on/off variable; the text itself if it is neither."""
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    return words.get(text.lower(), text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_web(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
