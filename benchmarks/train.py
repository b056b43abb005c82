"""Training speed and memory against a plain training loop around transformers.

A model of MusicGen-small's shape with random weights, windows of 30 s, AdamW, on the CPU with two
threads. The peer is the loop that people write: `MusicgenForConditionalGeneration` with its loss,
PEFT for LoRA, and, as they do it, EnCodec's encoder and T5 run on every batch. It is measured with
tokens that were computed before, too. Each side runs in a process of its own, in turn; the peak
memory is that process's.

    python -m benchmarks.train [--quick] [--json]
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import finish, median, options, say

THREADS = 2
FRAMES = 1500
SAMPLE_RATE = 32_000
CARD, BOOKS, RANK = 2048, 4, 16
CAPTION_TOKENS = 24


@dataclass(frozen=True)
class Case:
    """One side of a comparison."""

    ours: bool
    full: bool
    encode: bool
    """Whether audio is coded in every update (the peer's usual way)."""
    layers: int
    updates: int

    @property
    def name(self) -> str:
        """For tables: "transformers, full, encoding"."""
        side = "songloom" if self.ours else "transformers"
        tokens = ", encoding" if self.encode else ", tokens ready"
        return f"{side}, {'full' if self.full else 'LoRA'}{'' if self.ours else tokens}"


@dataclass(frozen=True)
class Cost:
    """What training cost."""

    seconds: float
    """Median of an update."""
    peak: float
    """GiB."""


def main() -> None:
    """Measure all cases, and print their ratios."""
    asked = options(__doc__)
    layers, updates = (4, 3) if asked.quick else (24, 2)
    results: dict[str, float | int | str] = {"layers": layers, "updates": updates}
    for full in (False, True):
        cases = {
            "ours": Case(True, full, False, layers, updates),
            "encoding": Case(False, full, True, layers, updates),
            "ready": Case(False, full, False, layers, updates),
        }
        costs = {}
        for key, case in cases.items():
            costs[key] = cost = measured(case)
            say(f"{case.name}: {cost.seconds:.1f} s an update, {cost.peak:.1f} GiB", asked)
        method = "full" if full else "lora"
        for key in ("encoding", "ready"):
            results[f"{method}: speed, peer {key}"] = costs[key].seconds / costs["ours"].seconds
        results[f"{method}: memory, ours / peer's"] = costs["ours"].peak / costs["encoding"].peak
        results[f"{method}: our peak GiB"] = costs["ours"].peak
    finish(results, asked)


def measured(case: Case) -> Cost:
    """Run a case in a new process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(case, sender))
    process.start()
    sender.close()
    times, peak = json.loads(receiver.recv_bytes())
    process.join()
    return Cost(median(times), peak)


def _run(case: Case, sender: Any) -> None:
    if case.ours:
        from songloom.machine import suit_training

        suit_training()  # as `songloom train` does
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    times = (_ours if case.ours else _peers)(case)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sender.send_bytes(json.dumps([times, peak]).encode())


def _ours(case: Case) -> list[float]:
    import torch

    from songloom.models.lm import LM, LMConfig
    from songloom.models.t5 import T5Config, T5Encoder
    from songloom.progress import TrainingProgress
    from songloom.training.batches import TrainingSong
    from songloom.training.loop import Trainer
    from songloom.training.plan import make_plan, make_trainable
    from songloom.training_request import TrainingRequest

    lm = LM(
        LMConfig(
            num_codebooks=BOOKS,
            codebook_size=CARD,
            hidden_size=1024,
            num_layers=case.layers,
            num_heads=16,
            ffn_size=4096,
            delays=(0, 1, 2, 3),
            text_size=768,
            cross_attention=True,
        )
    )
    text = T5Encoder(T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12))
    text.eval().requires_grad_(False)

    def encode(caption: str) -> torch.Tensor:
        with torch.inference_mode():
            states: torch.Tensor = text(torch.randint(0, 32_000, (1, CAPTION_TOKENS)))
        return states

    request = TrainingRequest(
        dataset_path=Path("none"),
        epochs=1,
        updates_per_epoch=1 + case.updates,
        batch_size=1,
        optimizer="adamw",
        full=case.full,
        lora_rank=RANK,
        cfg_p=0.0,
    )
    device = torch.device("cpu")
    dtype = make_trainable(lm, request, device)
    plan = make_plan(request, lm, 30.0, 50.0, dtype)
    songs = [
        TrainingSong(
            str(i), torch.randint(0, CARD, (BOOKS, 9000)).short(), None, f"song {i}", {"a": "bcd"}
        )
        for i in range(8)
    ]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(lm, plan, songs, [], encode, 640, Path(folder), {})
        rates: list[float] = []

        def note(event: object) -> None:
            if isinstance(event, TrainingProgress):
                rates.append(FRAMES / event.frames_per_second)

        trainer.run(note)
    return rates[1:]


def _peers(case: Case) -> list[float]:
    import torch
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    text = T5Config(vocab_size=32_128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)
    codec = EncodecConfig(
        sampling_rate=SAMPLE_RATE,
        num_filters=64,
        upsampling_ratios=[8, 5, 4, 4],
        hidden_size=128,
        codebook_size=CARD,
        use_causal_conv=False,
        normalize=False,
        target_bandwidths=[2.2],
    )
    decoder = MusicgenDecoderConfig(
        num_hidden_layers=case.layers,
        tie_word_embeddings=False,
        pad_token_id=CARD,
        decoder_start_token_id=CARD,
    )
    config = MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
    model: Any = MusicgenForConditionalGeneration(config)
    model.freeze_text_encoder()
    model.freeze_audio_encoder()
    if not case.full:
        from peft import LoraConfig, get_peft_model

        layers = r"decoder\.model\.decoder\.layers\..*(_proj|fc1|fc2)"
        model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=32, target_modules=layers))
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-5)
    times = []
    for _ in range(1 + case.updates):
        audio = torch.randn(1, 1, FRAMES * SAMPLE_RATE // 50) * 0.1
        codes = torch.randint(0, CARD, (1, BOOKS, FRAMES))
        ids = torch.randint(0, 32_000, (1, CAPTION_TOKENS))
        started = time.perf_counter()
        if case.encode:
            with torch.no_grad():
                codes = model.audio_encoder.encode(audio).audio_codes[0]
        labels = _delayed(codes).transpose(1, 2)
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - started)
    return times[1:]


def _delayed(codes: Any) -> Any:
    """Codes (B, K, T) with each codebook one step later; -100, which does not count, elsewhere."""
    batch, books, frames = codes.shape
    labels = codes.new_full((batch, books, frames + books), -100)
    for k in range(books):
        labels[:, k, k : k + frames] = codes[:, k]
    return labels


if __name__ == "__main__":
    main()
