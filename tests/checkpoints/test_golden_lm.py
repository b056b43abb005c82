"""The four kinds of language model against what the reference library computed from the same files.

The reference attends to zeroed padding, so its zeros are not masked here.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from songloom.checkpoints.reference import read_lm
from songloom.checkpoints.reference_lm import ReferenceModel
from songloom.models.chroma import chroma
from songloom.models.delay import apply_delay
from songloom.models.lm import LM
from tests.golden_values import golden_folder

KINDS = ["text_mono", "text_stereo", "melody_mono", "melody_stereo"]
FILES = ["state_dict.bin", "replicate_weights.tar"]
CPU = torch.device("cpu")
SAMPLE_RATE = 32_000

pytestmark = [
    pytest.mark.parametrize("kind", KINDS),
    pytest.mark.parametrize("file", FILES),
]


@functools.cache
def read(kind: str, file: str) -> tuple[LM, ReferenceModel, dict[str, Tensor]]:
    folder = golden_folder() / kind
    lm, model = read_lm(folder / file, CPU, torch.float32)
    return lm, model, load_file(folder / "expected.safetensors")


def test_shape(kind: str, file: str) -> None:
    lm, model, expected = read(kind, file)
    books = expected["codes"].shape[1]
    channels = 2 if "stereo" in kind else 1
    assert model.channels == channels
    assert lm.config.melody == ("melody" in kind)
    assert lm.config.num_codebooks == books
    assert lm.config.delays == tuple(k // channels for k in range(books))


def test_logits_of_a_delayed_sequence(kind: str, file: str) -> None:
    lm, _, expected = read(kind, file)
    ours = conditioned(lm, expected["sequence"], expected)
    torch.testing.assert_close(ours, expected["sequence_logits"], atol=1e-4, rtol=1e-4)


def test_teacher_forcing(kind: str, file: str) -> None:
    lm, _, expected = read(kind, file)
    check(lm, expected, conditioned(lm, delayed(lm, expected["codes"]), expected), "teacher_logits")


def test_without_conditions(kind: str, file: str) -> None:
    lm, _, expected = read(kind, file)
    nothing = torch.zeros_like(expected["text_mask"], dtype=torch.bool)
    ours = run(lm, delayed(lm, expected["codes"]), expected["text_embeddings"], nothing, None)
    check(lm, expected, ours, "null_logits")


def conditioned(lm: LM, tokens: Tensor, expected: dict[str, Tensor]) -> Tensor:
    mask = expected["text_mask"].bool()
    melody = chroma(expected["melody_wav"][:, 0], SAMPLE_RATE) if lm.config.melody else None
    return run(lm, tokens, expected["text_embeddings"], mask, melody)


def run(lm: LM, tokens: Tensor, text: Tensor, mask: Tensor, melody: Tensor | None) -> Tensor:
    with torch.inference_mode():
        if not lm.config.cross_attention:
            return lm(tokens, prefix=lm.prefix(text, mask, melody))
        states = lm.cross_states(text, mask)
        return lm(tokens, cross=replace(states, mask=None))


def delayed(lm: LM, codes: Tensor) -> Tensor:
    return apply_delay(codes, lm.config.delays, lm.config.special_token)


def align_logits(logits: Tensor, delays: tuple[int, ...], frames: int) -> Tensor:
    """Logits of the steps, `(B, K, S, card)`, -> logits of the frames, `(B, K, frames, card)`.

    The logits at step `s` predict the tokens at step `s + 1`. Frames whose prediction lies beyond
    the sequence given (it may stop short of the last delays) are filled with NaN.
    """
    aligned = logits.new_full((*logits.shape[:2], frames, logits.shape[-1]), float("nan"))
    for k, delay in enumerate(delays):
        known = logits[:, k, delay : delay + frames]
        aligned[:, k, : known.shape[1]] = known
    return aligned


def check(lm: LM, expected: dict[str, Tensor], ours: Tensor, name: str) -> None:
    frames = expected["codes"].shape[-1]
    ours = align_logits(ours, lm.config.delays, frames)
    valid = expected["teacher_mask"].bool()
    assert valid.any()
    torch.testing.assert_close(ours[valid], expected[name][valid], atol=1e-4, rtol=1e-4)


def test_chroma_as_the_prefix(kind: str, file: str) -> None:
    lm, _, expected = read(kind, file)
    if not lm.config.melody:
        assert lm.chroma_projection is None
        return
    melody = chroma(expected["melody_wav"][:, 0], SAMPLE_RATE)
    assert torch.equal(melody, expected["chroma"])
    frames, text = lm.config.chroma_frames, expected["text_embeddings"]
    assert frames == expected["cond_self_wav"].shape[1]
    with torch.inference_mode():
        ours = lm.prefix(text, None, melody)[:, :frames]
        null = lm.prefix(text, None, None)[:, :frames]
    torch.testing.assert_close(ours, expected["cond_self_wav"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(null, expected["null_self_wav"], atol=1e-5, rtol=1e-5)
