"""The algorithm that docs/architecture.md opens with, run beside the engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from songloom.generation.sampling import SamplingParams
from songloom.generation.sequence import Conditions, Sequence
from tests.generation.sequences import TEXT, decode, tiny

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"


@torch.inference_mode()
@pytest.mark.parametrize("params", [SamplingParams(temperature=0), SamplingParams(top_k=5)])
def test_the_documented_loop_draws_the_engine_s_tokens(params: SamplingParams) -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "architecture.md", "exec"), names)
    lm, frames = tiny(TEXT), 12
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, 3, 12, generator=generator)
    uniforms = torch.rand(frames, 4, generator=generator)
    documented = names["generate_tokens"](lm, text, frames, 3.0, params, uniforms)
    [codes] = decode(lm, [Sequence(frames, Conditions(text), params, 3.0, uniforms)])
    assert torch.equal(documented, codes)
