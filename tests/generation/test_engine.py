"""The engine: golden values, and that nobody depends on who shares the batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from songloom.checkpoints.reference import read_lm
from songloom.generation.engine import Engine
from songloom.generation.sampling import SamplingParams
from songloom.generation.sequence import Conditions, Sequence
from songloom.models.chroma import chroma
from songloom.models.delay import apply_delay
from songloom.models.lm import LMConfig
from tests.generation.sequences import GREEDY, MELODY, TEXT, decode, sequences_for, tiny
from tests.golden_values import golden_folder


@pytest.mark.parametrize("name", ["text_mono", "text_stereo", "melody_mono", "melody_stereo"])
@pytest.mark.parametrize("key", ["greedy_cfg3", "continuation_cfg3"])
def test_golden_tokens(name: str, key: str) -> None:
    folder = golden_folder() / name
    golden = load_file(folder / "expected.safetensors")
    lm, _ = read_lm(folder / "state_dict.bin", torch.device("cpu"), torch.float32)
    prompts = golden["continuation_prompt"] if key == "continuation_cfg3" else [None, None]
    melodies = [None, None]
    if lm.config.melody:
        melodies = chroma(golden["melody_wav"][:, 0], 32_000).split(1)
    sequences = [
        Sequence(
            frames=golden[key].shape[-1],
            conditions=Conditions(golden["text_embeddings"][i : i + 1], melodies[i]),
            sampling=GREEDY,
            guidance=3.0,
            uniforms=torch.zeros(golden[key].shape[-1], lm.config.num_codebooks),
            prompt=prompts[i],
        )
        for i in range(2)
    ]
    together = decode(lm, sequences)
    alone = [decode(lm, [sequence])[0] for sequence in sequences]
    for i in range(2):
        assert torch.equal(alone[i], golden[key][i])
        assert torch.equal(together[i], golden[key][i])


@pytest.mark.slow
@pytest.mark.parametrize("config", [TEXT, MELODY], ids=["text", "melody"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_in_a_batch_or_alone_the_tokens_are_the_same(config: LMConfig, data: st.DataObject) -> None:
    lm = tiny(config)
    sequences = data.draw(st.lists(sequences_for(config), min_size=2, max_size=5))
    count = len(sequences)
    at = data.draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    together = decode(lm, sequences, at)
    for sequence, codes in zip(sequences, together, strict=True):
        assert codes.shape == (config.num_codebooks, sequence.frames)
        assert codes.min() >= 0
        assert codes.max() < config.codebook_size
        assert torch.equal(codes, decode(lm, [sequence])[0])
        if sequence.prompt is not None:
            assert torch.equal(codes[:, : sequence.prompt.shape[1]], sequence.prompt)


@torch.inference_mode()
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_cache_changes_nothing(guidance: float) -> None:
    """Greedy decoding by teacher forcing on ever longer sequences, against the engine."""
    lm, frames = tiny(TEXT), 12
    text = torch.randn(1, 3, 12)
    whole = Sequence(frames, Conditions(text), GREEDY, guidance, torch.zeros(frames, 4))
    codes = torch.full((1, 4, frames), -1)
    sequence = apply_delay(codes, TEXT.delays, TEXT.special_token)
    for step in range(1, sequence.shape[-1]):
        logits = lm(sequence[..., :step], cross=lm.cross_states(text))
        null = lm(sequence[..., :step])
        guided = null + (logits - null) * guidance
        column = sequence[..., step]
        drawn = guided[:, :, -1].argmax(-1)
        sequence[..., step] = torch.where(column == -1, drawn, column)
    (engine_codes,) = decode(lm, [whole])
    expected = [sequence[0, k, 1 + d : 1 + d + frames] for k, d in enumerate(TEXT.delays)]
    assert torch.equal(engine_codes, torch.stack(expected))


def test_guidance_takes_a_second_row_only_where_it_is_needed() -> None:
    text, uniforms = torch.randn(1, 3, 12), torch.zeros(4, 4)

    def rows(conditions: Conditions, guidance: float) -> int:
        return Sequence(4, conditions, GREEDY, guidance, uniforms).rows_needed

    assert rows(Conditions(text), 3.0) == 2
    assert rows(Conditions(text), 1.0) == 1
    assert rows(Conditions(), 3.0) == 1


def test_seeds_matter_and_repeat() -> None:
    lm, frames = tiny(TEXT), 16

    def codes(seed: int) -> torch.Tensor:
        uniforms = torch.rand(frames, 4, generator=torch.Generator().manual_seed(seed))
        return decode(lm, [Sequence(frames, Conditions(), SamplingParams(), 1.0, uniforms)])[0]

    assert torch.equal(codes(0), codes(0))
    assert not torch.equal(codes(0), codes(1))


def test_full_rows_are_refused_until_one_leaves() -> None:
    lm = tiny(TEXT)
    first, second = (
        Sequence(3, Conditions(torch.randn(1, 2, 12)), GREEDY, 3.0, torch.zeros(3, 4))
        for _ in range(2)
    )
    engine = Engine(lm, rows=3, max_steps=first.steps_needed(TEXT))
    assert engine.fits(first)
    engine.admit(first)
    assert not engine.fits(second)
    engine.release(first)
    assert engine.fits(second)
    assert first.rows == []
    assert first.cross is None  # a finished piece keeps no keys and values of its text
