"""Signed URLs open what they name for as long as they say; webhooks verify with the real client."""

import base64
import time
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from songloom.jobs.store.store import Store
from songloom.server.http.signing import DAY, Signer, new_key, new_webhook_secret

SIGNER = Signer("a" * 64, new_webhook_secret())
PATH = "/v1/outputs/abc/output.wav"


def opens(url: str, signer: Signer = SIGNER) -> bool:
    """Whether a signed URL does, by the path and query as a server sees them."""
    parts = urlsplit(url)
    return signer.is_valid(unquote(parts.path), dict(parse_qsl(parts.query)))


def test_a_signed_url_opens_its_path() -> None:
    assert opens(SIGNER.sign(PATH))


@given(st.text(st.characters(codec="utf-8", exclude_characters="/?#%"), min_size=1))
def test_names_of_any_letters_can_be_signed(name: str) -> None:
    from urllib.parse import quote

    assert opens(SIGNER.sign(f"/v1/outputs/abc/{quote(name)}"))


def test_a_name_may_hold_what_looks_like_an_escape() -> None:
    assert opens(SIGNER.sign("/v1/outputs/abc/100%2525.wav"))


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("output.wav", "other.wav"),
        lambda url: url.replace("expires=1", "expires=2"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.split("&signature")[0],
        lambda url: url.split("?")[0],
        lambda url: url.split("signature=")[0] + "signature=%C3%A9",
        lambda url: url.replace("expires=", "expires=-"),
        lambda url: url.replace("expires=", "expires=%D9%A1"),  # a digit, but no ASCII one
        lambda url: url.replace("expires=", "expires=" + "9" * 5000),
    ],
    ids=[
        "path", "expiry", "signature", "none", "no query", "letters", "negative", "digits", "long",
    ],
)  # fmt: skip
def test_a_changed_url_opens_nothing(change: object) -> None:
    assert callable(change)
    assert not opens(change(SIGNER.sign(PATH)))


def test_another_servers_url_opens_nothing() -> None:
    assert not opens(SIGNER.sign(PATH), Signer(new_key(), new_webhook_secret()))


def test_a_url_opens_for_as_long_as_was_said_and_not_much_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = time.time()
    url = SIGNER.sign(PATH)
    for later, good in [(DAY - 1, True), (DAY + 3601, False)]:
        monkeypatch.setattr(time, "time", lambda later=later: start + later)
        assert opens(url) is good


def test_urls_stay_the_same_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that has the file finds it in its cache when the job is read again."""
    hour = 3600 * 500_000.0
    monkeypatch.setattr(time, "time", lambda: hour + 1)
    first = SIGNER.sign(PATH)
    monkeypatch.setattr(time, "time", lambda: hour + 3599)
    assert SIGNER.sign(PATH) == first


def test_signatures_and_secrets_outlive_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'songloom.db'}"
    signers = []
    for _ in range(2):
        store = Store(url)
        signers.append(Signer.from_store(store))
        store.close()
    assert opens(signers[0].sign(PATH), signers[1])
    assert signers[0].webhook_secret == signers[1].webhook_secret


BODY = '{"id": "abc", "status": "succeeded", "input": {"prompt": "déjà vu"}}'


def test_the_official_client_verifies_a_webhook() -> None:
    for _ in range(50):  # secrets are random, and some alphabets would hold a second underscore
        signer = Signer(new_key(), new_webhook_secret())
        headers = signer.webhook_headers("msg_1", BODY.encode())
        secret = WebhookSigningSecret(key=signer.webhook_secret)
        Webhooks.validate(headers=headers, body=BODY, secret=secret, tolerance=60)


def test_the_official_client_refuses_what_was_changed() -> None:
    headers = SIGNER.webhook_headers("msg_1", BODY.encode())
    secret = WebhookSigningSecret(key=SIGNER.webhook_secret)
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers, body=BODY.replace("abc", "abd"), secret=secret)
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers | {"webhook-id": "msg_2"}, body=BODY, secret=secret)


def test_a_secret_has_the_form_that_libraries_split() -> None:
    prefix, _, key = new_webhook_secret().partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(key, validate=True)) == 24
