"""Spectrograms of generated clips beside true renders: `python -m recipes.nano.pictures FILE`."""

import argparse
from pathlib import Path
from random import Random

import numpy as np
import torch

from recipes.nano.bank import load_bank
from recipes.nano.clips import held_out_clip
from recipes.nano.compose.captions import full_caption
from recipes.nano.compose.theory import FRAME_RATE, SAMPLE_RATE
from recipes.nano.judge import WORK
from recipes.nano.losses import spectrum
from recipes.nano.sampler import Sampler
from songloom import GenerationRequest, load

SECONDS = 6
WINDOW, HIGHEST = 2048, 5000  # samples, Hz


def main() -> None:
    """Generate, render, draw."""
    from matplotlib import pyplot as plt

    parser = argparse.ArgumentParser(prog="python -m recipes.nano.pictures", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", default="nano", help="a name or a folder")
    parser.add_argument("--work", type=Path, default=WORK, help="where bank.npz is")
    parser.add_argument("--clips", type=int, default=20)
    arguments = parser.parse_args()
    sampler = Sampler(load_bank(arguments.work / "bank.npz"))
    clips = [held_out_clip(number, SECONDS * FRAME_RATE) for number in range(arguments.clips)]
    captions = [full_caption(clip.piece, Random(i)) for i, clip in enumerate(clips)]
    requests = [
        GenerationRequest(prompt=text, duration=SECONDS, seed=i) for i, text in enumerate(captions)
    ]
    tracks = load(arguments.model).generate(requests)
    figure, axes = plt.subplots(
        len(clips), 2, figsize=(14, 2.4 * len(clips)), squeeze=False, constrained_layout=True
    )
    for row, clip, text, track in zip(axes, clips, captions, tracks, strict=True):
        true = torch.from_numpy(sampler.render(clip.excerpt))
        for place, audio, name in ((row[0], track.audio[0], text), (row[1], true, "true render")):
            shown = round(HIGHEST / SAMPLE_RATE * WINDOW)
            power = spectrum(audio[None], WINDOW)[0, :shown].abs().clamp(min=1e-4)
            decibels = 20 * np.log10(power.numpy())
            place.imshow(decibels, origin="lower", aspect="auto", extent=(0, SECONDS, 0, HIGHEST))
            place.set_title(name, fontsize=7)
    figure.savefig(arguments.file, dpi=60)


if __name__ == "__main__":
    main()
