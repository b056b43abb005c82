"""Compose, render and code clips once: the language model trains on these tokens.

A shard holds the codes of some clips and the seeds of their pieces. Captions are not stored: they
follow from the seed and are worded anew each time a clip is used.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.nano.codec import Codec
from recipes.nano.compose import compose
from recipes.nano.compose.theory import SAMPLE_RATE
from recipes.nano.runs import Log
from recipes.nano.sampler import Sampler
from songloom.models.chroma import chroma

CLIP_FRAMES = 750  # 15 s
FIRST_SEED = 1_000_000  # of training clips
HELD_OUT_SHARD = "held-out"
HELD_OUT_FIRST_SEED = 2_000_000_000


@dataclass(frozen=True)
class Clips:
    """Coded clips; bars start at frame 0."""

    seeds: list[int]
    codes: Tensor
    """(N, Q, T) int16."""
    chroma: Tensor
    """(N, frames) uint8: the loudest pitch class of each chroma frame."""

    def __len__(self) -> int:
        return len(self.seeds)


@torch.inference_mode()
def code_clips(codec: Codec, sampler: Sampler, seeds: range, frames: int) -> Clips:
    """Code the first `frames` frames of the pieces of these seeds."""
    codes, chromas = [], []
    for seed in seeds:
        audio = torch.from_numpy(sampler.render(compose(seed), frames))[None]
        codes.append(codec.encode(audio).to(torch.int16))
        chromas.append(chroma(audio, SAMPLE_RATE).argmax(dim=-1).to(torch.uint8))
    return Clips(list(seeds), torch.cat(codes), torch.cat(chromas))


def write_shards(
    folder: Path,
    codec: Codec,
    sampler: Sampler,
    log: Log,
    shards: range,
    clips_per_shard: int,
    frames: int = CLIP_FRAMES,
) -> None:
    """Write the shards that are not there yet; several processes may each take a range."""
    folder.mkdir(exist_ok=True)
    held_out = folder / f"{HELD_OUT_SHARD}.safetensors"
    if shards.start == 0 and not held_out.exists():
        first = HELD_OUT_FIRST_SEED
        _save(held_out, code_clips(codec, sampler, range(first, first + clips_per_shard), frames))
    for shard in shards:
        path = folder / f"{shard:04}.safetensors"
        if path.exists():
            continue
        first = FIRST_SEED + shard * clips_per_shard
        _save(path, code_clips(codec, sampler, range(first, first + clips_per_shard), frames))
        log.write(f"coded {path.name}: {clips_per_shard} clips of {frames} frames")


def load_training_clips(folder: Path) -> Clips:
    """All training shards that are there."""
    paths = sorted(path for path in folder.glob("*.safetensors") if path.stem != HELD_OUT_SHARD)
    if not paths:
        raise FileNotFoundError(f"no shards in {folder}; run the tokens stage first")
    shards = [_load(path) for path in paths]
    return Clips(
        [seed for shard in shards for seed in shard.seeds],
        torch.cat([shard.codes for shard in shards]),
        torch.cat([shard.chroma for shard in shards]),
    )


def load_held_out_clips(folder: Path) -> Clips:
    """The clips that no stage trains on."""
    return _load(folder / f"{HELD_OUT_SHARD}.safetensors")


def _load(path: Path) -> Clips:
    stored = load_file(path)
    return Clips(stored["seeds"].tolist(), stored["codes"], stored["chroma"])


def _save(path: Path, clips: Clips) -> None:
    unfinished = path.with_suffix(".part")
    seeds = torch.tensor(clips.seeds, dtype=torch.int64)
    save_file({"seeds": seeds, "codes": clips.codes, "chroma": clips.chroma}, unfinished)
    unfinished.replace(path)
