"""Sequences of all kinds for tiny models, and an engine that decodes them together."""

from collections.abc import Sequence

import torch
from hypothesis import strategies as st

from songloom.generation.engine import Conditions, Engine, Job, steps_needed
from songloom.generation.sampling import SamplingParams
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
    jobs: Sequence[Job],
    at: Sequence[int] | None = None,
    adapters: AdapterBank | None = None,
) -> list[torch.Tensor]:
    """Decode jobs together, job i joining after `at[i]` steps, each leaving when it is done."""
    at = at or [0] * len(jobs)
    engine = Engine(
        lm,
        rows=sum(job.rows for job in jobs),
        max_steps=max(steps_needed(lm, job) for job in jobs),
        adapters=adapters,
    )
    waiting, slots, results = dict(enumerate(jobs)), {}, {}
    for step in range(10_000):
        for i in [i for i in waiting if at[i] <= step]:
            slots[i] = engine.admit(waiting.pop(i))
        for i in [i for i, slot in slots.items() if slot.done]:
            slot = slots.pop(i)
            engine.release(slot)
            results[i] = slot.codes(lm.config.delays)
        if not slots and not waiting:
            assert engine.active == ()
            return [results[i] for i in range(len(jobs))]
        if slots:
            engine.advance()
    raise AssertionError("the engine never finished")


@st.composite
def jobs_for(draw: st.DrawFn, config: LMConfig) -> Job:
    frames = draw(st.integers(1, 18))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    text = draw(st.integers(0, 4))
    has_melody = config.melody and draw(st.booleans())
    prompt = draw(st.integers(0, frames - 1))
    melody = torch.randint(12, (1, 5), generator=generator)
    return Job(
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
