import re

import torch
from transformers import T5EncoderModel

from recipes.nano.clips import training_clip
from recipes.nano.model import ModelSettings, text_config
from recipes.nano.reading import ANSWERS, ReadingSettings, facts, read_encoder, teach_reading

MODEL = ModelSettings(text_size=32, text_layers=1, text_heads=2, text_ffn_size=32)


def test_every_fact_is_among_its_answers():
    told = [facts(training_clip(seed, 100)) for seed in range(200)]
    for fact, answers in zip(zip(*told, strict=True), ANSWERS, strict=True):
        assert 0 <= min(fact) <= max(fact) < answers
        assert len(set(fact)) > 1


def test_reading_is_learned_kept_and_not_learned_twice(tmp_path, tokenizer):
    settings = ReadingSettings(steps=40, batch=32, report_every=20)
    teach_reading(tmp_path, tokenizer, MODEL, settings)
    log = (tmp_path / "reading.log").read_text()
    first, last = (
        sum(map(float, re.findall(r"\d\.\d\d", line))) for line in log.splitlines() if line
    )
    assert last < first
    encoder = T5EncoderModel(text_config(MODEL))
    before = encoder.shared.weight.clone()
    read_encoder(tmp_path, encoder)
    assert not torch.equal(before, encoder.shared.weight)
    teach_reading(tmp_path, tokenizer, MODEL, settings)
    assert (tmp_path / "reading.log").read_text() == log
