"""Tokens over HTTP: made, shown once, taken back, and nobody shut out."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from songloom.jobs.store.api_tokens import hash_token
from songloom.jobs.store.records import Token
from songloom.server.http.auth import VARIABLE
from tests.server.serving import Serving, serving

PUBLIC = {"public_url": "https://music.example"}


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def create(client: TestClient, name: str) -> dict[str, str]:
    """Make a token; the header that shows it."""
    answer = client.post("/v1/tokens", json={"name": name})
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == name
    return {"authorization": f"Bearer {answer.json()['token']}"}


def names(client: TestClient) -> list[str]:
    return [token["name"] for token in client.get("/v1/tokens").json()["results"]]


def test_the_first_token_closes_the_door_at_once(server: Serving) -> None:
    client = server.client
    assert client.get("/v1/tokens").json() == {"results": [], "required": False}
    header = create(client, "laptop")
    assert client.get("/v1/tokens").status_code == 401
    client.headers.update(header)
    told = client.get("/v1/tokens").json()
    assert told["required"]
    (token,) = told["results"]
    assert (token["name"], token["from_environment"]) == ("laptop", False)
    assert token["created_at"].endswith("Z")
    assert header["authorization"].split()[1] not in client.get("/v1/tokens").text


def test_the_last_one_opens_it_to_this_machine_again(server: Serving) -> None:
    client = server.client
    client.headers.update(create(client, "laptop"))
    assert client.delete("/v1/tokens/laptop").status_code == 204
    del client.headers["authorization"]
    assert client.get("/v1/tokens").json() == {"results": [], "required": False}


def test_a_revoked_token_is_of_no_use_at_once(server: Serving) -> None:
    client = server.client
    phone = create(client, "phone")
    client.headers.update(phone)
    laptop = create(client, "a/b?c")
    client.headers.update(laptop)
    assert client.delete("/v1/tokens/phone").status_code == 204
    assert client.get("/v1/tokens", headers=phone).status_code == 401
    assert names(client) == ["a/b?c"]
    assert client.delete("/v1/tokens/a%2Fb%3Fc").status_code == 204


def test_the_last_token_of_a_public_server_stays(tmp_path: Path) -> None:
    with serving(tmp_path, **PUBLIC) as server:
        server.services.store.add_token(Token("first", hash_token("secret")))
        server.services.tokens.forget_cached()
        client = server.client
        client.headers["authorization"] = "Bearer secret"
        refused = client.delete("/v1/tokens/first")
        assert refused.status_code == 409
        assert "the last token" in refused.json()["detail"]
        client.headers.update(create(client, "second"))
        assert client.delete("/v1/tokens/first").status_code == 204
        assert names(client) == ["second"]


def test_with_one_in_the_environment_none_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "ops:fixed")
    with serving(tmp_path, **PUBLIC) as server:
        client = server.client
        client.headers["authorization"] = "Bearer fixed"
        create(client, "laptop")
        told = client.get("/v1/tokens").json()["results"]
        assert told[1] == {"name": "ops", "created_at": None, "from_environment": True}
        assert client.delete("/v1/tokens/laptop").status_code == 204
        refused = client.delete("/v1/tokens/ops")
        assert refused.status_code == 409
        assert VARIABLE in refused.json()["detail"]
        assert client.post("/v1/tokens", json={"name": "ops"}).status_code == 422


def test_strangers_have_no_say_where_the_door_stands_open(tmp_path: Path) -> None:
    with serving(tmp_path, allow_anonymous=True, **PUBLIC) as server:
        server.services.store.add_token(Token("owner", hash_token("secret")))
        server.services.tokens.forget_cached()
        for refused in (
            server.client.post("/v1/tokens", json={"name": "back-door"}),
            server.client.delete("/v1/tokens/owner"),
        ):
            assert refused.status_code == 403
            assert "`songloom tokens`" in refused.json()["detail"]
        assert [token.name for token in server.services.store.tokens()] == ["owner"]
        assert server.client.get("/v1/tokens").json() == {"results": [], "required": False}


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0b", None, 5])
def test_names_that_are_none(server: Serving, name: object) -> None:
    answer = server.client.post("/v1/tokens", json={"name": name})
    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == "name"
    assert server.services.store.tokens() == []


def test_a_name_is_given_once(server: Serving) -> None:
    server.client.headers.update(create(server.client, "laptop"))
    assert server.client.post("/v1/tokens", json={"name": "laptop"}).status_code == 409


def test_what_there_is_not(server: Serving) -> None:
    answer = server.client.delete("/v1/tokens/nobody")
    assert answer.status_code == 404
    assert "no token 'nobody'" in answer.json()["detail"]
