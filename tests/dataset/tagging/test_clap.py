"""CLAP, on a tiny random model."""

import sys
from pathlib import Path

import pytest
import torch

from songloom.audio.files import Audio
from songloom.dataset.tagging import clap
from songloom.dataset.tagging.clap import CLASSES, MODEL_VARIABLE, Clap, load_clap
from songloom.errors import MissingExtraError, ModelError
from tests.audio.sounds import tones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        ClapAudioConfig,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapTextConfig,
        PreTrainedTokenizerFast,
    )

    path = tmp_path_factory.mktemp("clap")
    words = {word for kind in CLASSES.values() for text in kind for word in text.split()}
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(path)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(path)
    text = ClapTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, pad_token_id=0, projection_dim=16,
    )  # fmt: skip
    audio = ClapAudioConfig(
        patch_embeds_hidden_size=8, depths=[1, 1], num_attention_heads=[1, 1], hidden_size=16,
        projection_dim=16, num_hidden_layers=2,
    )  # fmt: skip
    torch.manual_seed(0)
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=16)
    ClapModel(config).save_pretrained(path)
    return path


def test_tags_are_the_words_that_fit_best(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(folder))
    tagger = load_clap()
    audio = Audio(tones(12, 16000, 2), 16000)
    heard = tagger._embed(audio)
    assert heard is not None
    # A word whose embedding is that of the sound must win, with a share of nearly all.
    words = tagger._words["genre"].clone()
    words[3] = heard
    tagger._words["genre"] = torch.where(torch.arange(len(words))[:, None] == 3, words, -words)
    labels = tagger(audio)
    assert labels.genre[0] == CLASSES["genre"][3]
    assert labels.sources["genre"] == "clap"
    assert 0.15 < labels.confidence["genre"] <= 1
    assert not any(word.startswith(("a ", "an ")) for word in labels.instruments)


def test_a_long_song_is_heard_in_windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap, "MOST_WINDOWS", 2)
    tagger = Clap(str(folder))
    first, last = tones(10, 8000), 0.5 * tones(20, 8000, 2)[1:, :80000]
    song = torch.cat([first, torch.zeros(1, 80000), last], dim=1)
    whole = tagger._embed(Audio(song, 8000))
    parts = [tagger._embed(Audio(part, 8000)) for part in (first, last)]
    assert whole is not None
    assert parts[0] is not None
    assert parts[1] is not None
    mean = torch.nn.functional.normalize(parts[0] + parts[1], dim=0)
    torch.testing.assert_close(whole, mean, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("samples", "tagged"),
    [
        (torch.zeros(1, 8000), False),
        (torch.zeros(2, 0), False),
        (torch.ones(1, 1), True),
        (tones(0.5, 8000), True),
    ],
)
def test_odd_sounds(folder: Path, samples: torch.Tensor, tagged: bool) -> None:
    embedding = Clap(str(folder))._embed(Audio(samples, 8000))
    assert (embedding is not None) == tagged
    if embedding is not None:
        assert embedding.isfinite().all()


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"can't be fetched or read.*{MODEL_VARIABLE}"):
        Clap(str(tmp_path))


def test_transformers_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"songloom\[clap\]"):
        Clap("any")
