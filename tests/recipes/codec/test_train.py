from dataclasses import replace

import pytest
import torch

from recipes.nano.codec.coder import Coder, load_codec
from recipes.nano.codec.losses import LossWeights, measure_losses
from recipes.nano.codec.start import start_codec
from recipes.nano.codec.train import CodecSettings, draw_excerpts, train_codec
from recipes.nano.runs import before

SETTINGS = CodecSettings(width=318, steps=6, batch=2, frames=32, warm_up=2, report_seconds=1e9)


def start(fit, mixes):
    torch.manual_seed(0)
    return start_codec(fit, 318, 7, mixes)


def test_a_training_that_is_stopped_goes_on_where_it_was(tmp_path, fit, mixes):
    for name, stops in (("whole", (None,)), ("parts", (3, None))):
        for stop in stops:
            torch.manual_seed(0)
            codec = start(fit, mixes)
            train_codec(tmp_path / f"{name}.pt", codec, fit, [mixes], [], SETTINGS, before(stop))
    log = (tmp_path / "parts.log").read_text()
    assert "codec from step 3" in log
    assert "step 6" in log
    assert torch.load(tmp_path / "parts.pt", weights_only=True)["step"] == 6


def test_encoder_and_codebooks_stay_as_they_were_fitted(tmp_path, fit, mixes):
    codec = start(fit, mixes)
    before = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    train_codec(tmp_path / "c.pt", codec, fit, [mixes], [], SETTINGS)
    changed = {
        name.partition(".")[0]
        for name, tensor in codec.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"from_latents", "decoder_lstm", "synthesis"}


@pytest.mark.slow
def test_it_learns(tmp_path, fit, mixes):
    audio, emphasis = draw_excerpts([mixes], 8, 64, 10**6), torch.ones(640)

    def distance(codec) -> float:
        with torch.no_grad():
            losses = measure_losses(codec(audio).audio, audio, emphasis)
        return float(losses.mel + losses.tones)

    codec = start(fit, mixes)
    first = distance(codec)
    weights = LossWeights(tones=1, pitch=0, wave=0)
    settings = replace(SETTINGS, steps=60, batch=4, warm_up=10, weights=weights)
    train_codec(tmp_path / "c.pt", codec, fit, [mixes], [], settings)
    assert distance(codec) < first


def test_the_trained_codec_is_read_and_codes(tmp_path, fit, mixes):
    codec = start(fit, mixes)
    train_codec(tmp_path / "c.pt", codec, fit, [mixes], [], replace(SETTINGS, steps=1))
    coder = Coder(load_codec(tmp_path / "c.pt"))
    audio = draw_excerpts([mixes], 10, 20, 0)
    codes = coder.code(audio)
    assert codes.shape == (10, 4, 20)
    assert codes.max() < coder.special == 1024
    with pytest.raises(FileNotFoundError, match="codec stage"):
        load_codec(tmp_path / "none.pt")


def test_a_step_draws_the_same_again(mixes):
    assert torch.equal(draw_excerpts([mixes], 3, 20, 7), draw_excerpts([mixes], 3, 20, 7))
    assert not torch.equal(draw_excerpts([mixes], 3, 20, 7), draw_excerpts([mixes], 3, 20, 8))
