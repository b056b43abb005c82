"""Training on a CUDA device, in its precisions."""

from pathlib import Path

import pytest
import torch

from songloom.models.lora import lora_layers
from songloom.training.loop import Trainer
from songloom.training.plan import make_plan, make_trainable
from tests.training.tunes import HOP, SONGS, encode_text, request, tiny_lm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("full", [False, True])
def test_it_learns_in_every_precision(tmp_path: Path, precision: str, full: bool) -> None:
    device = torch.device("cuda")
    asked = request(
        precision=precision, full=full, lr=0.02, epochs=1, updates_per_epoch=80, warmup=4
    )
    lm = tiny_lm()
    dtype = make_trainable(lm, asked, device)
    plan = make_plan(asked, lm, window_seconds=2.0, frame_rate=50.0, dtype=dtype)
    trainer = Trainer(lm, plan, SONGS[1:], [SONGS[1]], encode_text, HOP, tmp_path, {})
    result = trainer.run()
    assert result.state.measured[-1].loss < 0.93 * result.state.measured[0].loss
    if not full and precision == "bfloat16":
        layer = next(iter(lora_layers(lm).values()))
        assert layer.base.weight.dtype == torch.bfloat16
        assert layer.up.dtype == torch.float32
