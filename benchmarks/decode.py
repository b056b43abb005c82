"""Token steps per second against transformers' `generate()`.

A model of MusicGen-small's shape with random weights, text-conditioned, guidance 3, top-k 250, on
the CPU with two threads: both sides through their public `generate`, one after the other in the
same run. Steps are timed between calls of transformers' logits processor, and between our progress
events (of ten steps each), so loading, text encoding and audio decoding count on neither side.

Beside the ratios stands the share of what the memory allows: the bytes of weights that a step
reads, by the bandwidth that was measured in the same run, against the time of a step.

    python -m benchmarks.decode [--quick] [--json]
"""

from __future__ import annotations

import gc
import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    EncodecConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
)

import songloom
import songloom.progress
from benchmarks.limits import bytes_per_step, read_bandwidth, share_of_limit
from benchmarks.report import Options, finish, median, options, say
from songloom.generation.precision import DType

THREADS = 2
STEPS = 1500
"""Thirty seconds of music: MusicGen's whole window."""
QUICK_STEPS = 60
NEAR = 40
"""Steps whose median stands for the beginning, and for the end."""
WARM_UP = 8
START = slice(WARM_UP, WARM_UP + NEAR)
PROMPT = "warm felt piano, slow, in C major, with soft strings"


def write_small_model(folder: Path) -> None:
    """MusicGen-small's decoder with random weights, beside a small text encoder and codec."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    config = MusicgenConfig(
        text_encoder=T5Config(
            vocab_size=64, d_model=768, d_kv=64, d_ff=1024, num_layers=2, num_heads=12
        ).to_dict(),
        audio_encoder=EncodecConfig(
            sampling_rate=32_000,
            num_filters=4,
            upsampling_ratios=[8, 5, 4, 4],
            hidden_size=16,
            codebook_size=2048,
            codebook_dim=16,
            use_causal_conv=False,
            norm_type="weight_norm",
            normalize=False,
            target_bandwidths=[2.2],
        ).to_dict(),
        decoder=MusicgenDecoderConfig(tie_word_embeddings=False).to_dict(),
    )
    model = MusicgenForConditionalGeneration(config)
    model.generation_config.update(
        max_length=1500, pad_token_id=2048, bos_token_id=2048, decoder_start_token_id=2048
    )
    model.save_pretrained(folder)  # in float32, so that rounding to float16 shows
    words = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *PROMPT.split()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


class StepClock(LogitsProcessor):
    """Notes when transformers comes to each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Change nothing."""
        self.times.append(time.perf_counter())
        return scores


def transformers_steps(folder: Path, steps: int) -> list[float]:
    """Seconds of each step of transformers' `generate()`."""
    model = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    clock = StepClock()
    model.generate(
        **tokenizer(PROMPT, return_tensors="pt"),
        do_sample=True,
        guidance_scale=3.0,
        top_k=250,
        max_new_tokens=steps,
        logits_processor=LogitsProcessorList([clock]),
    )
    return differences(clock.times)


@dataclass(frozen=True)
class Steps:
    """What was measured of songloom in one precision."""

    seconds: list[float]
    """Of each step of `Model.generate`."""
    weights: int
    """Bytes of weights that a step reads."""
    dtype: str
    """Precision of the weights."""


def songloom_steps(folder: Path, steps: int, dtype: DType) -> Steps:
    """Time the steps of `Model.generate`."""
    model = songloom.load(folder, device="cpu", dtype=dtype)
    events: list[tuple[float, float]] = []  # moments, and seconds of audio that are done

    def note(event: songloom.progress.GenerationProgress) -> None:
        events.append((time.perf_counter(), event.seconds_done))

    duration = (steps - 3) / model.info.frame_rate  # and three steps of delay
    request = songloom.GenerationRequest(prompt=PROMPT, duration=duration, seed=0)
    model.generate(request, on_event=note)
    taken = []
    for (before, done_before), (after, done) in itertools.pairwise(events):
        count = round((done - done_before) * model.info.frame_rate)
        taken += [(after - before) / count] * count
    weights = bytes_per_step(model._components.lm)
    return Steps(taken, weights, str(model.dtype).removeprefix("torch."))


def differences(times: list[float]) -> list[float]:
    """From moments to the time between them."""
    return [b - a for a, b in itertools.pairwise(times)]


def logits_error(folder: Path, dtype: DType) -> float:
    """Relative error of the logits in a precision, against float32, teacher-forced."""
    torch.manual_seed(1)
    logits = []
    precisions: tuple[DType, DType] = ("float32", dtype)
    for precision in precisions:
        lm = songloom.load(folder, device="cpu", dtype=precision)._components.lm
        config, generator = lm.config, torch.Generator().manual_seed(2)
        shape = (1, config.num_codebooks, 24)
        tokens = torch.randint(0, config.codebook_size, shape, generator=generator)
        text = torch.randn(1, 8, config.text_size, generator=generator).to(lm.dtype)
        with torch.inference_mode():
            logits.append(lm(tokens, cross=lm.cross_states(text)).float())
    return float((logits[1] - logits[0]).norm() / logits[0].norm())


def measure(run: Options) -> dict[str, float | int | str]:
    """Both sides, and their ratios."""
    steps = QUICK_STEPS if run.quick else STEPS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_small_model(folder)
        results: dict[str, float | int | str] = {"steps": steps, "threads": THREADS}
        say(f"transformers, float32, {steps} steps ...", run)
        theirs = transformers_steps(folder, steps)
        gc.collect()
        say(f"songloom, auto, {steps} steps ...", run)
        ours = songloom_steps(folder, steps, "auto")
        results |= {
            "dtype_auto": ours.dtype,
            "ratio_vs_transformers_fp32": sum(theirs[WARM_UP:]) / sum(ours.seconds[WARM_UP:]),
            "ratio_start": ratio(theirs, ours.seconds, START),
            "ratio_end": ratio(theirs, ours.seconds, slice(-NEAR, None)),
        }
        gc.collect()
        say(f"songloom, float32, {QUICK_STEPS} steps ...", run)
        same_precision = songloom_steps(folder, QUICK_STEPS, "float32")
        results["ratio_start_both_float32"] = ratio(theirs, same_precision.seconds, START)
        bandwidth = read_bandwidth()
        results["read_gigabytes_per_second"] = bandwidth / 1e9
        for name, measured in (("auto", ours), ("float32", same_precision)):
            results[f"share_of_limit_start_{name}"] = share_of_limit(
                measured.weights, bandwidth, median(measured.seconds[START])
            )
        results["share_of_limit_start_transformers"] = share_of_limit(
            same_precision.weights, bandwidth, median(theirs[START])
        )
        checked: tuple[DType, DType] = ("auto", "bfloat16")
        for precision in checked:
            results[f"logits_error_{precision}"] = logits_error(folder, precision)
    return results


def ratio(theirs: list[float], ours: list[float], part: slice) -> float:
    """How many times faster our steps are, by medians of a part."""
    return median(theirs[part]) / median(ours[part])


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    chosen = options(__doc__)
    finish(measure(chosen), chosen)
