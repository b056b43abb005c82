"""Sequences of all kinds for tiny models, and an engine that decodes them together."""

import torch
from hypothesis import strategies as st

from songloom.generation.engine import Engine
from songloom.generation.sampling import SamplingParams
from songloom.generation.sequence import Conditions, Sequence
from songloom.models.adapter_bank import AdapterBank
from songloom.models.delay import delays_for
from songloom.models.lm import LM, LMConfig

GREEDY = SamplingParams(temperature=0)
TEXT = LMConfig(4, 24, 32, 2, 4, 64, delays_for(4, 1), text_size=12, cross_attention=True)
MELODY = LMConfig(
    8, 24, 32, 2, 4, 64, delays_for(8, 2), text_size=12, cross_attention=False,
    chroma_bins=12, chroma_frames=9,
)  # fmt: skip


def tiny(config: LMConfig) -> LM:
    torch.manual_seed(11)
    lm = LM(config).eval()
    # Without this, a random model's logits are nearly flat, and sampling hides what it says.
    lm.heads.weight.data *= 8
    return lm


def decode(
    lm: LM,
    sequences: list[Sequence],
    at: list[int] | None = None,
    adapters: AdapterBank | None = None,
) -> list[torch.Tensor]:
    """Decode sequences together, number i joining after `at[i]` steps, each until it is done."""
    at = at or [0] * len(sequences)
    engine = Engine(
        lm,
        rows=sum(sequence.rows_needed for sequence in sequences),
        max_steps=max(sequence.steps_needed(lm.config) for sequence in sequences),
        adapters=adapters,
    )
    waiting, active, results = dict(enumerate(sequences)), {}, {}
    for step in range(10_000):
        for i in [i for i in waiting if at[i] <= step]:
            active[i] = waiting.pop(i)
            engine.admit(active[i])
        for i in [i for i, sequence in active.items() if sequence.done]:
            sequence = active.pop(i)
            engine.release(sequence)
            results[i] = sequence.codes(lm.config.delays)
        if not active and not waiting:
            assert engine.active == ()
            return [results[i] for i in range(len(sequences))]
        if active:
            engine.advance()
    raise AssertionError("the engine never finished")


@st.composite
def sequences_for(draw: st.DrawFn, config: LMConfig) -> Sequence:
    frames = draw(st.integers(1, 18))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    text = draw(st.integers(0, 4))
    has_melody = config.melody and draw(st.booleans())
    prompt = draw(st.integers(0, frames - 1))
    melody = torch.randint(12, (1, 5), generator=generator)
    return Sequence(
        frames=frames,
        conditions=Conditions(
            torch.randn(1, text, 12, generator=generator) if text else None,
            torch.nn.functional.one_hot(melody, 12).float() if has_melody else None,
        ),
        sampling=SamplingParams(
            top_k=draw(st.sampled_from([0, 1, 5, 250])),
            top_p=draw(st.sampled_from([0.0, 0.9])),
            temperature=draw(st.sampled_from([0.0, 0.8, 1.3])),
        ),
        guidance=draw(st.sampled_from([1.0, 2.5, 3.0])),
        uniforms=torch.rand(frames, config.num_codebooks, generator=generator),
        prompt=torch.randint(24, (config.num_codebooks, prompt), generator=generator)
        if prompt
        else None,
    )
