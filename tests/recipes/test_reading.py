import re
from random import Random

import pytest
import torch
from transformers import T5EncoderModel

from recipes.nano import teacher
from recipes.nano.associations import Associations, AssociationSettings, make_associations
from recipes.nano.clips import training_clip
from recipes.nano.facts import one_hot
from recipes.nano.model import ModelSettings, text_config
from recipes.nano.reading import (
    ANSWERS,
    Reader,
    ReadingSettings,
    captions,
    encode,
    facts,
    read_encoder,
    read_reader,
    teach_reading,
)
from recipes.nano.tokenizer import VOCABULARY

MODEL = ModelSettings(
    text_size=32, text_layers=1, text_heads=2, text_ffn_size=32, vocabulary=VOCABULARY
)
FEW = AssociationSettings(pool=60, prompts=30, phrases=40, words=30, pairs=10)
TEACHERS_WORDS = ("[CLS]", "##ing", "an", "volcano", "...", "spoon")


def test_every_fact_is_among_its_answers():
    told = [facts(training_clip(seed, 100)) for seed in range(200)]
    for fact, answers in zip(zip(*told, strict=True), ANSWERS, strict=True):
        assert 0 <= min(fact) <= max(fact) < answers
        assert len(set(fact)) > 1


@pytest.fixture
def untaught(monkeypatch):
    monkeypatch.setattr(teacher, "find_teacher", lambda: None)


@pytest.fixture
def taught(monkeypatch, tmp_path):
    """A teacher of hashes: the same words are at the same place, and `volcano` is near `techno`."""
    (tmp_path / "vocab.txt").write_text("\n".join(TEACHERS_WORDS), encoding="utf-8")

    def embed(_, texts):
        rows = []
        for text in texts:
            generator = torch.Generator().manual_seed(hash_of(text.replace("volcano", "techno")))
            rows.append(torch.randn(teacher.SIZE, generator=generator))
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)

    monkeypatch.setattr(teacher, "find_teacher", lambda: tmp_path)
    monkeypatch.setattr(teacher, "embed", embed)
    return tmp_path


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:7], "big")


def test_reading_is_learned_kept_and_not_learned_twice(tmp_path, tokenizer, untaught):
    settings = ReadingSettings(
        steps=40, batch=32, prompts=4, strange=4, report_every=20, associations=FEW
    )
    teach_reading(tmp_path, tokenizer, MODEL, settings)
    log = (tmp_path / "reading.log").read_text()
    warning, *rows = log.splitlines()
    assert "is not installed: facts alone" in warning
    first, last = (sum(map(float, re.findall(r"\d\.\d\d", row))) for row in rows)
    assert last < first
    encoder, reader = T5EncoderModel(text_config(MODEL)), Reader(MODEL.text_size)
    before = encoder.shared.weight.clone(), reader.answer.weight.clone()
    read_encoder(tmp_path, encoder)
    read_reader(tmp_path, reader)
    assert not torch.equal(before[0], encoder.shared.weight)
    assert not torch.equal(before[1], reader.answer.weight)
    teach_reading(tmp_path, tokenizer, MODEL, settings)
    assert (tmp_path / "reading.log").read_text() == log


def test_a_teacher_is_imitated(tmp_path, tokenizer, taught):
    settings = ReadingSettings(
        steps=60, batch=2, prompts=8, strange=24, report_every=10, associations=FEW
    )
    teach_reading(tmp_path, tokenizer, MODEL, settings)
    rows = (tmp_path / "reading.log").read_text().splitlines()
    first, last = (float(row.split()[-1]) for row in (rows[0], rows[-1]))
    assert last < first


def test_words_call_for_what_the_nearest_phrases_do(taught):
    made = make_associations(
        AssociationSettings(pool=300, prompts=3, words=10, pairs=0), teacher.find_teacher()
    )
    assert made.texts[-2:] == ["volcano", "spoon"]
    numbers = [made.texts.index(text) for text in ("techno", "volcano", "spoon")]
    techno, volcano, spoon = made.shares[numbers]
    anything = made.shares[made.texts.index("untitled")]
    assert torch.allclose(spoon, anything, atol=1e-5)
    style = facts_index("techno")
    assert techno[style] > 0.5
    assert volcano[style] > 3 * anything[style]
    for part in made.shares.split(ANSWERS, dim=-1):
        assert torch.allclose(part.sum(-1), torch.ones(len(part)), atol=1e-4)


def facts_index(style: str) -> int:
    return next(
        facts(clip)[0]
        for clip in (training_clip(seed, 100) for seed in range(500))
        if clip.piece.style == style
    )


def test_the_reader_takes_certain_answers_as_likely_ones(tokenizer):
    text, answers = captions(range(4), tokenizer)
    encoder = T5EncoderModel(text_config(MODEL)).eval()
    reader = Reader(MODEL.text_size)
    losses = reader(encoder, text, answers)
    assert losses.shape == (len(ANSWERS),)
    states = encode(encoder, text)
    assert torch.allclose(losses, reader.compare(states, text, one_hot(answers)))
    likely = reader.guess(states, text)
    for part in likely.split(ANSWERS, dim=-1):
        assert torch.allclose(part.sum(-1), torch.ones(4), atol=1e-5)


def test_other_words_are_read_along(tokenizer):
    shares = one_hot(torch.tensor([facts(training_clip(7, 100))]))
    known = Associations(["volcano"], shares, None, 0)
    text, answers = captions(range(3), tokenizer, known, strange=2)
    alone, few = captions(range(3), tokenizer)
    assert len(text) == len(answers) == 5
    assert torch.equal(text[:3, : alone.shape[1]], alone)
    assert torch.equal(answers[:3], few)
    assert answers[3].tolist() == answers[4].tolist() == facts(training_clip(7, 100))
    assert known.draw_answers(0, Random(0)) == answers[3].tolist()
