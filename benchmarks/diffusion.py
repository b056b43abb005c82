"""Decoding by multi-band diffusion: time beside the reference implementation, and memory.

The published shape (hidden 48, depth 4, growth 4) with random weights, in float32, with two
threads. What is compared is one estimate of one network over ten seconds of audio, of which a
decoding makes eighty (four bands, twenty steps): the reference's network and ours take turns, with
the same weights. Beside it, a whole decoding of ours shows what everything else costs.

The reference's network is run from a checkout of its public repository, of which nothing is copied:

    git clone https://github.com/facebookresearch/audiocraft
    python -m benchmarks.diffusion --reference audiocraft [--quick] [--json]
"""

from __future__ import annotations

import dataclasses
import importlib.util
import resource
import sys
import time
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.report import Options, finish, median, options, say
from songloom.checkpoints.codec_files import empty_encodec
from songloom.models.bands import BandProcessor, ProcessorConfig
from songloom.models.codec import Codec
from songloom.models.diffusion import Band, MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig
from songloom.models.encodec import EncodecConfig

THREADS = 2
SECONDS = 10.0
BANDS = 4
ESTIMATES = 80
"""Of a whole decoding: four bands, twenty steps each."""
SAMPLE_RATE, HOP = 32_000, 640
LENGTHS = (10.0, 120.0)
"""Seconds of audio between which memory must not grow."""


def published_unet() -> UNet:
    """A network of the published shape, for latents of MusicGen's codec."""
    torch.manual_seed(0)
    return UNet(UNetConfig()).eval().requires_grad_(False)


def decoder_of(unet: UNet, schedule: PowerSchedule) -> MultiBandDiffusion:
    """Four bands that share a network: as much work as four of their own, in less memory."""
    processors = (None, None, *(BandProcessor(ProcessorConfig(SAMPLE_RATE)) for _ in range(2)))
    return MultiBandDiffusion([Band(unet, schedule, p) for p in processors], SAMPLE_RATE)


def reference_unet(checkout: Path, ours: UNet) -> nn.Module:
    """The reference's network with our weights."""
    # Its file imports a transformer, for a variant that is not the published one.
    unused = types.ModuleType("audiocraft.modules.transformer")
    unused.StreamingTransformer = unused.create_sin_embedding = None  # type: ignore[attr-defined]
    for name in ("audiocraft", "audiocraft.modules"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[unused.__name__] = unused
    path = checkout / "audiocraft" / "models" / "unet.py"
    spec = importlib.util.spec_from_file_location("reference_unet", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SystemExit(f"{path} is missing; give a checkout of audiocraft with --reference")
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    shape = dataclasses.asdict(ours.config)
    shape["codec_dim"] = shape.pop("condition_size")
    network: nn.Module = module.DiffusionUnet(chin=1, emb_all_layers=True, **shape).eval()
    network.load_state_dict(ours.state_dict(), assign=True)
    return network.requires_grad_(False)


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(unet: UNet, checkout: Path, run: Options) -> dict[str, float | int | str]:
    """One estimate, in turns."""
    theirs, ours = reference_unet(checkout, unet), unet
    x = torch.randn(1, 1, int(SECONDS * SAMPLE_RATE))
    latents, steps = torch.randn(1, 128, int(SECONDS * SAMPLE_RATE / HOP)), torch.tensor([700])
    networks: dict[str, Callable[[], Tensor]] = {
        "reference": lambda: theirs(x, 700, latents).sample,
        "ours": lambda: ours(x, steps, latents),
    }
    times: dict[str, list[float]] = {name: [] for name in networks}
    processor: dict[str, float] = dict.fromkeys(networks, 0.0)
    with torch.inference_mode():
        wanted, got = networks["reference"](), networks["ours"]()  # and nothing is cold any more
        for number in range(3 if run.quick else 9):
            for name, estimate in networks.items():
                before = time.process_time()
                times[name].append(seconds_of(estimate))
                processor[name] += time.process_time() - before
            say(
                f"round {number + 1}: " + ", ".join(f"{n} {t[-1]:.2f} s" for n, t in times.items()),
                run,
            )
    a_second = {name: median(taken) * ESTIMATES / SECONDS for name, taken in times.items()}
    worked = {n: t / len(times[n]) * ESTIMATES / SECONDS for n, t in processor.items()}
    return {
        # Of both threads together: what an idle machine needs is half as long.
        "reference: processor seconds per second": worked["reference"],
        "ours: processor seconds per second": worked["ours"],
        "reference: seconds per second": a_second["reference"],
        "ours: seconds per second": a_second["ours"],
        "times faster": a_second["reference"] / a_second["ours"],
        "times less processor time": processor["reference"] / processor["ours"],
        "times faster, fastest rounds": min(times["reference"]) / min(times["ours"]),
        "relative difference": float((got - wanted).norm() / wanted.norm()),
    }


def musicgens_latents() -> Codec:
    """A codec with MusicGen's latents and few channels otherwise: its time does not count here."""
    config = EncodecConfig(
        sampling_rate=SAMPLE_RATE,
        target_bandwidths=(2.2,),
        num_filters=4,
        upsampling_ratios=(8, 5, 4, 4),
        codebook_size=2048,
        use_causal_conv=False,
    )
    encodec = empty_encodec(config)
    for codes in encodec.quantizer.layers:
        codes.codebook.embed.normal_()  # type: ignore[union-attr, operator]
    return Codec(encodec.requires_grad_(False))


def decode(unet: UNet, seconds: float, schedule: PowerSchedule) -> float:
    """Decode random codes; how long it took."""
    codec, decoder = musicgens_latents(), decoder_of(unet, schedule)
    codes = torch.randint(0, 2048, (4, int(seconds * SAMPLE_RATE / HOP)))
    return seconds_of(lambda: decoder.decode(codec, codes, seed=0))


def peak_gigabytes(seconds: float) -> float:
    """Peak memory of a process of its own that decodes, with one step in place of twenty."""
    torch.set_num_threads(THREADS)
    # Two of the diffusion's steps are visited at most, and the way back goes over one of them.
    decode(published_unet(), seconds, PowerSchedule(num_steps=2))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(run: Options) -> dict[str, float | int | str]:
    """All of it."""
    results: dict[str, float | int | str] = {"threads": THREADS, "seconds of audio": SECONDS}
    unet = published_unet()
    if run.reference is not None:
        results |= compare(unet, run.reference, run)
    seconds = 1.0 if run.quick else SECONDS
    say(f"a whole decoding of {seconds:g} s ...", run)
    results["ours, whole decoding: seconds per second"] = (
        decode(unet, seconds, PowerSchedule()) / seconds
    )
    del unet
    for length in LENGTHS[:1] if run.quick else LENGTHS:
        say(f"memory at {length:g} s ...", run)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            results[f"peak memory at {length:g} s, GB"] = pool.submit(
                peak_gigabytes, length
            ).result()
    return results


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    chosen = options(__doc__, reference="checkout of audiocraft, whose network is compared with")
    finish(measure(chosen), chosen)
