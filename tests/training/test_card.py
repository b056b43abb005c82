"""Model cards: what hubs read, what people read, and what must not be in them."""

import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from songloom.checkpoints.catalogue import embedded_folder
from songloom.training.card import base_name, model_card
from songloom.training.fidelity import Fidelity
from songloom.training.summary import Ceiling, SongSummary
from tests.training.summaries import check, findings, summary


def head_of(card: str) -> dict[str, Any]:
    """The YAML head; fails where there is none."""
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert match
    head: dict[str, Any] = yaml.safe_load(match[1])
    return head


def test_hubs_learn_licence_base_and_kind() -> None:
    card = model_card(summary(base="medium", licence="CC-BY-NC 4.0", method="full"))
    head = head_of(card)
    assert head["license"] == "cc-by-nc-4.0"
    assert head["base_model"] == "facebook/musicgen-medium"
    assert head["base_model_relation"] == "finetune"
    assert head["library_name"] == "transformers"
    assert "no commercial use" in card


def test_an_unusual_licence_keeps_its_name() -> None:
    head = head_of(model_card(summary(licence="House rules: ask #1 first")))
    assert (head["license"], head["license_name"]) == ("other", "House rules: ask #1 first")


def test_people_learn_what_was_measured() -> None:
    card = model_card(summary(), check(copied_frames=60))
    assert "60 updates in 2 min 43 s" in card
    assert "| all | 3.500 | 2.550 |" in card
    assert "| codebook 4 | 5.000 | 4.050 |" in card
    assert "| this model | 1.20 s | 1.20 s |" in card
    assert "3 songs, 1 h 4 min in all; 1 of them was held out" in card
    assert "| genre | waltz (2), folk (1) |" in card
    assert r"| batch\_size | 8 |" in card


def test_what_was_measured_of_sounds_is_told() -> None:
    card = model_card(summary(findings=findings()))
    assert "can hardly carry this song" in card
    assert "nearer to the held-out song" in card
    assert "a table of how frequent each token is in the training songs 3.50" in card
    assert "codec_decoder" not in card
    tuned = Ceiling(1, True, Fidelity(0.5, 0.9, 9.0), Fidelity(2.2, 0.29, -20.0))
    card = model_card(summary(findings=findings(ceiling=tuned)))
    assert "songloom merge . DIR" in card
    assert "codec_decoder" not in model_card(
        summary(findings=findings(ceiling=tuned), method="full")
    )


def test_without_held_out_songs_nothing_is_claimed() -> None:
    card = model_card(summary(measured=[], after=None))
    assert "No songs were held out, so no loss was measured." in card
    assert "nats" not in card


@pytest.mark.parametrize(
    ("base", "public"),
    [
        ("nano", "nano"),
        ("small", "facebook/musicgen-small"),
        ("someone/musicgen-jazz", "someone/musicgen-jazz"),
        ("/home/lovelace/secret client/model", "model"),
        ("C:\\Users\\Lovelace\\model", "model"),
        ("./models/mine/", "mine"),
        ("~/mine", "mine"),
    ],
)
def test_of_a_path_only_the_end_is_public(base: str, public: str) -> None:
    assert base_name(base) == public
    card = model_card(summary(base=base, settings={"model_version": base}))
    assert public in card
    for private in ("lovelace", "Lovelace", "secret", "~"):
        assert private not in card


def test_songs_and_where_they_lie_stay_private() -> None:
    settings = {"dataset_path": "clients/secret", "labels": "secret.csv", "batch_size": 8}
    songs = (SongSummary("secret title", 10, "secret caption", False),)
    assert "secret" not in model_card(summary(settings=settings, songs=songs), check(60, "secret"))


@given(st.text(), st.text(), st.text())
def test_any_text_leaves_head_and_tables_whole(name: str, label: str, value: str) -> None:
    songs = (SongSummary("", 10, "", False, labels={label: (value,)}),)
    usual = model_card(summary(songs=songs, settings={}))
    card = model_card(summary(name=name, licence=value, songs=songs, settings={"a": value}))
    assert head_of(card)["tags"] == head_of(usual)["tags"]
    card.encode("utf-8")
    body = card.split("\n---\n", 1)[1]
    assert len(re.findall(r"^# ", body, re.MULTILINE)) <= 1
    for row in re.findall(r"^\| .*$", body, re.MULTILINE):
        cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", row))
        assert cells in (3, 4)
    assert body.count("```") % 2 == 0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_code_on_the_card_runs(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = model_card(summary(method=method))
    match = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert match
    code = match[1].replace("max_new_tokens=400", "max_new_tokens=3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other libraries
        if method == "lora":
            if not importlib.util.find_spec("peft"):
                pytest.skip("peft is not installed")
            from peft import LoraConfig, get_peft_model
            from transformers import MusicgenMelodyForConditionalGeneration

            base = MusicgenMelodyForConditionalGeneration.from_pretrained(embedded_folder())
            adapter = LoraConfig(r=2, target_modules=["out_proj"])
            get_peft_model(base, adapter).save_pretrained(tmp_path)
            monkeypatch.chdir(tmp_path)
        else:
            monkeypatch.chdir(embedded_folder())
        names: dict[str, Any] = {}
        exec(code, names)
    assert names["audio"].shape[-1] > 0
