"""Who is let in, and what pages of strangers may not do to a server without tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from songloom.errors import OutputError, RequestError
from songloom.jobs.store.api_tokens import hash_token, new_token
from songloom.jobs.store.records import Token
from songloom.jobs.store.store import Store
from songloom.server.http import auth
from songloom.server.http.auth import VARIABLE, Authentication, Tokens, check_binding
from songloom.server.http.signing import Signer
from songloom.settings import ServeSettings

PATHS = ("/", "/predictions", "/openapi.json", "/metrics", "/v1/predictions")


async def name_of_token(request: Request) -> PlainTextResponse:
    return PlainTextResponse(getattr(request.state, "token", "nobody was asked"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv(VARIABLE, raising=False)
    store = Store(f"sqlite:///{tmp_path / 'songloom.db'}")
    yield store
    store.close()


@contextmanager
def client_of(
    store: Store, base_url: str = "http://localhost:8000", **settings: Any
) -> Iterator[TestClient]:
    app = Starlette(routes=[Route("/{path:path}", name_of_token, methods=["GET", "POST"])])
    guarded = Authentication(app, store=store, settings=ServeSettings(**settings))
    with TestClient(guarded, base_url=base_url) as client:
        yield client


def add(store: Store, name: str) -> dict[str, str]:
    """A new token, as the header that shows it."""
    token = new_token()
    store.add_token(Token(name, hash_token(token)))
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic Zm9v"])
def test_everything_needs_a_token_where_there_are_some(store: Store, shown: str | None) -> None:
    add(store, "laptop")
    headers = {} if shown is None else {"authorization": shown}
    with client_of(store) as client:
        for path in PATHS:
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "songloom tokens create" in answer.json()["detail"]
            is_problem = answer.headers["content-type"] == "application/problem+json"
            assert is_problem is path.startswith("/v1")


def test_whether_the_server_lives_may_be_asked_by_everyone(store: Store) -> None:
    add(store, "laptop")
    with client_of(store, base_url="http://10.1.2.3") as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/livez/../metrics").status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_a_token_lets_in_and_is_known_by_its_name(store: Store, scheme: str) -> None:
    add(store, "phone")
    token = add(store, "laptop")["authorization"].removeprefix("Bearer ")
    with client_of(store) as client:
        answer = client.get("/v1/account", headers={"authorization": f"{scheme} {token}"})
    assert (answer.status_code, answer.text) == (200, "laptop")


def test_tokens_of_a_container_come_from_its_environment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "studio:first-token, second-token ,")
    with client_of(store) as client:
        for token, name in [("first-token", "studio"), ("second-token", "token-2")]:
            answer = client.get("/", headers={"authorization": f"Bearer {token}"})
            assert answer.text == name
        assert client.get("/").status_code == 401


@pytest.mark.parametrize("text", ["studio:", ":token", "a:b,:"])
def test_a_variable_without_a_token_is_refused(store: Store, text: str) -> None:
    with pytest.raises(RequestError, match=VARIABLE):
        Tokens(store, {VARIABLE: text})


def test_the_refusal_does_not_print_the_variable(store: Store) -> None:
    with pytest.raises(RequestError) as raised:
        Tokens(store, {VARIABLE: "studio:secret,:"})
    assert "secret" not in str(raised.value)


def test_a_revoked_token_is_of_no_use_soon(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other, shown = add(store, "other"), add(store, "laptop")
    clock = 1000.0
    monkeypatch.setattr(auth.time, "monotonic", lambda: clock)
    with client_of(store) as client:
        assert client.get("/", headers=shown).status_code == 200
        store.remove_token("laptop")
        clock += 1.1
        assert client.get("/", headers=shown).status_code == 401
        assert client.get("/", headers=other).status_code == 200


def test_a_server_that_others_reach_does_not_open_with_its_last_token(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = add(store, "laptop")
    clock = 1000.0
    monkeypatch.setattr(auth.time, "monotonic", lambda: clock)
    with client_of(store, host="0.0.0.0") as client:
        assert client.get("/").status_code == 401
        store.remove_token("laptop")
        clock += 1.1
        assert client.get("/").status_code == 401
        assert client.get("/", headers=shown).status_code == 401


def test_tokens_are_read_once_a_second(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = add(store, "laptop")
    reads = 0
    read = Tokens.read

    def count(tokens: Tokens) -> dict[str, str]:
        nonlocal reads
        reads += 1
        return read(tokens)

    monkeypatch.setattr(Tokens, "read", count)
    monkeypatch.setattr(auth.time, "monotonic", lambda: 1000.0)
    with client_of(store) as client:
        for _ in range(5):
            assert client.get("/", headers=shown).status_code == 200
    assert reads == 1


def test_the_first_token_closes_an_open_server(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    monkeypatch.setattr(auth.time, "monotonic", lambda: clock)
    with client_of(store) as client:
        assert client.get("/").status_code == 200
        add(store, "laptop")
        clock += 1.1
        assert client.get("/").status_code == 401


def test_without_its_database_nobody_is_let_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Store) -> list[Token]:
        raise OutputError("the database can't be reached; start it")

    with client_of(store) as client:
        monkeypatch.setattr(Store, "tokens", fail)
        answer = client.get("/v1/account")
    assert answer.status_code == 503
    assert "start it" in answer.json()["detail"]


def test_a_signed_url_needs_no_token(store: Store) -> None:
    add(store, "laptop")
    url = Signer.from_store(store).sign("/v1/outputs/abc/a%20b.wav")
    with client_of(store) as client:
        assert client.get(url).status_code == 200
        assert client.head(url).status_code == 200
        assert client.post(url).status_code == 401
        assert client.get(url.replace("abc", "abd")).status_code == 401
        assert client.get(url.split("?")[0]).status_code == 401
        assert client.get(url.split("?")[0] + "?signature=1&expires=9999999999").status_code == 401


def test_an_open_server_answers_to_this_machine(store: Store) -> None:
    with client_of(store) as client:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
            assert client.get("/", headers={"host": host}).status_code == 200, host


def test_an_open_server_does_not_answer_to_other_names(store: Store) -> None:
    """A page can point its own name at this machine; its requests still bear that name."""
    with client_of(store) as client:
        for host in (
            "evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "localhost:x",
        ):  # fmt: skip
            answer = client.post("/v1/predictions", headers={"host": host})
            assert answer.status_code == 403, host
            assert "make a token" in answer.json()["detail"]


def test_the_public_url_is_one_of_its_names(store: Store) -> None:
    public = {"public_url": "https://songs.example"}
    with client_of(store, **public) as client:
        assert client.get("/").status_code == 401  # a proxy lets others in
    with client_of(store, allow_anonymous=True, **public) as client:
        assert client.get("/", headers={"host": "songs.example"}).status_code == 200
        assert client.get("/", headers={"host": "other.example"}).status_code == 403


@pytest.mark.parametrize("binding", [{}, {"host": "0.0.0.0"}])
def test_pages_of_others_can_send_nothing_to_an_open_server(
    store: Store, binding: dict[str, Any]
) -> None:
    """Forms and simple requests cross origins without being asked for."""
    answers = {
        "http://localhost:8000": 200,
        "http://localhost:3000": 403,  # another program of this machine, with pages of its own
        "http://127.0.0.1:8000": 403,
        "https://evil.example": 403,
        "null": 403,
        "http://[": 403,
        "https://songs.example": 200,
        "https://songs.example:443": 200,
        "http://songs.example": 403,
    }
    public = {"public_url": "https://songs.example", "allow_anonymous": True}
    with client_of(store, **public, **binding) as client:
        for origin, status in answers.items():
            answer = client.post("/predictions", headers={"origin": origin})
            assert answer.status_code == status, origin


def test_a_page_of_nowhere_is_not_the_servers_own(store: Store) -> None:
    with client_of(store) as client:
        for origin in ("null", "http://[", "https://evil.example", ""):
            answer = client.post("/predictions", headers={"origin": origin})
            assert answer.status_code == 403, origin


def test_origins_and_hosts_do_not_matter_with_a_token(store: Store) -> None:
    shown = add(store, "laptop")
    headers = {**shown, "origin": "https://app.example", "host": "10.0.0.7:8000"}
    with client_of(store, host="0.0.0.0") as client:
        assert client.post("/predictions", headers=headers).status_code == 200


def test_an_anonymous_server_answers_everyone(store: Store) -> None:
    shown = add(store, "laptop")
    settings = {"host": "0.0.0.0", "allow_anonymous": True}
    with client_of(store, base_url="http://10.0.0.7", **settings) as client:
        # Replicate's clients always send a token: one that nobody made is no fault here.
        assert client.get("/", headers={"authorization": "Bearer r8_any"}).text == ""
        assert client.get("/", headers=shown).text == "laptop"


def test_others_may_reach_a_server_only_with_tokens(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = ServeSettings(host="0.0.0.0")
    with pytest.raises(RequestError, match=r"0\.0\.0\.0.*songloom tokens create"):
        check_binding(everywhere, store)
    check_binding(ServeSettings(), store)
    check_binding(ServeSettings(host="::1"), store)
    check_binding(ServeSettings(host="0.0.0.0", allow_anonymous=True), store)
    monkeypatch.setenv(VARIABLE, "token")
    check_binding(everywhere, store)
    monkeypatch.delenv(VARIABLE)
    add(store, "laptop")
    check_binding(everywhere, store)


def test_a_page_of_another_site_may_ask_with_a_token(store: Store) -> None:
    """Browsers ask first, without the token, and then look at the answer's header."""
    shown = add(store, "laptop")
    page = {"origin": "https://app.example"}
    with client_of(store) as client:
        asked = client.options(
            "/v1/predictions",
            headers=page
            | {
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type,prefer",
            },
        )
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert "POST" in asked.headers["access-control-allow-methods"]
        allowed = asked.headers["access-control-allow-headers"]
        assert allowed == "authorization,content-type,prefer"  # a star would leave the first out
        for headers, status in ((page | shown, 200), (page, 401)):
            answer = client.post("/v1/predictions", headers=headers)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in client.get("/", headers=shown).headers


@pytest.mark.parametrize("settings", [{}, {"allow_anonymous": True}])
def test_an_open_server_is_closed_to_pages_of_others(
    store: Store, settings: dict[str, bool]
) -> None:
    with client_of(store, **settings) as client:
        for method in ("OPTIONS", "GET", "POST"):
            headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
            answer = client.request(method, "/v1/predictions", headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
        assert "songloom tokens create" in answer.json()["detail"]
