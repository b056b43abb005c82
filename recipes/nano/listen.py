"""A first look at clips: is there a pulse at the asked tempo, are the notes those of the key?

Every measure is taken on true renders and on their codec reconstruction too, which tell what it
can reach. `python -m recipes.nano.listen FOLDER` writes pictures and wav files there.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from recipes.nano.bank import load_bank
from recipes.nano.codec import Codec, load_codec
from recipes.nano.compose import Piece, caption, compose
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE, SIXTEENTHS
from recipes.nano.sampler import Sampler
from recipes.nano.tokens import HELD_OUT_FIRST_SEED

SECONDS = 10
ENVELOPE_HOP = 320  # samples: half a codec frame
TEMPO_CANDIDATES = (5, 6, 7, 8, 9, 10)  # frames per sixteenth
PITCH_WINDOW = 8192
Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """Measures of one clip."""

    tempo_right: bool
    """The sixteenth grid that fits the onsets best is that of the piece."""
    in_key: float
    """Share of energy between 60 and 2,000 Hz on the pitch classes of the key."""
    level: float
    """Root mean square, full scale 1."""

    @staticmethod
    def of(audio: Audio, piece: Piece) -> "Heard":
        """Measure a clip that should be this piece, or be like it."""
        return Heard(
            best_grid(onset_strength(audio)) == piece.frames_per_sixteenth,
            key_share(audio, piece),
            float(np.sqrt(np.mean(audio**2))),
        )


def onset_strength(audio: Audio) -> Audio:
    """How much louder the bands of the spectrum become, every 10 ms; its mean is 0."""
    window = torch.hann_window(1024)
    spectrum = torch.stft(
        torch.from_numpy(audio), 1024, ENVELOPE_HOP, window=window, return_complex=True
    )
    loudness = torch.log1p(10 * spectrum.abs())
    rises = (loudness[:, 1:] - loudness[:, :-1]).clamp(min=0).sum(0)
    return (rises - rises.mean()).numpy()


def best_grid(onsets: Audio) -> int:
    """Frames per sixteenth of the grid whose eighths, beats and bars repeat the onsets best."""
    correlation = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]
    per_frame = FRAME // ENVELOPE_HOP

    def fit(frames: int) -> float:
        lags = [multiple * frames * per_frame for multiple in (2, 4, 8, SIXTEENTHS)]
        return float(sum(correlation[lag] for lag in lags if lag < len(correlation)))

    return max(TEMPO_CANDIDATES, key=fit)


def key_share(audio: Audio, piece: Piece) -> float:
    """Share of the energy that lies on the pitch classes of the piece's key (7/12 by chance)."""
    window = torch.hann_window(PITCH_WINDOW)
    spectrum = torch.stft(
        torch.from_numpy(audio), PITCH_WINDOW, PITCH_WINDOW // 4, window=window, return_complex=True
    )
    power = spectrum.abs().square().sum(1).numpy()
    hertz = np.arange(len(power)) * SAMPLE_RATE / PITCH_WINDOW
    heard = (hertz > 60) & (hertz < 2000)
    classes = (np.round(12 * np.log2(hertz[heard] / 440)) + 9).astype(int) % 12
    inside = np.isin(classes, list(piece.key.pitch_classes))
    return float(power[heard][inside].sum() / max(power[heard].sum(), 1e-12))


def reconstruct(codec: Codec, audio: Audio) -> Audio:
    """A render through the codec."""
    with torch.inference_mode():
        return codec.reconstruct(torch.from_numpy(audio)[None])[0].numpy()


def draw(path: Path, clips: list[tuple[str, Audio]]) -> None:
    """Log spectrograms up to 8 kHz, one below the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(clips), 1, figsize=(16, 2.2 * len(clips)), squeeze=False)
    for axis, (title, audio) in zip(axes[:, 0], clips, strict=True):
        axis.specgram(audio + 1e-6, NFFT=2048, Fs=SAMPLE_RATE, noverlap=1536, vmin=-120, vmax=-40)
        axis.set_ylim(0, 8000)
        axis.set_title(title, fontsize=8, loc="left")
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    pyplot.close(figure)


def summary(name: str, heard: list[Heard]) -> str:
    """One line of shares and means."""
    tempo = np.mean([clip.tempo_right for clip in heard])
    in_key = np.mean([clip.in_key for clip in heard])
    level = np.mean([clip.level for clip in heard])
    return f"{name}: tempo {tempo:.2f}, energy in key {in_key:.3f}, level {level:.3f}"


def main() -> None:
    """Generate from held-out captions and compare."""
    from songloom import GenerationRequest, load

    parser = argparse.ArgumentParser(prog="python -m recipes.nano.listen", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/nano"))
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=4)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sampler, codec = Sampler(load_bank(arguments.work / "bank.npz")), load_codec(arguments.work)
    pieces = [compose(HELD_OUT_FIRST_SEED + i) for i in range(arguments.clips)]
    captions = [caption(piece, Random(piece.seed)) for piece in pieces]
    model = load(arguments.model)
    requests = [
        GenerationRequest(prompt=text, duration=SECONDS, seed=i, normalization_strategy="clip")
        for i, text in enumerate(captions)
    ]
    made = [track.audio[0].numpy() for track in model.generate(requests)]
    true = [sampler.render(piece, SECONDS * SAMPLE_RATE // FRAME) for piece in pieces]
    coded = [reconstruct(codec, audio) for audio in true]
    for name, clips in (("true renders", true), ("through the codec", coded), ("generated", made)):
        heard = [Heard.of(audio, piece) for audio, piece in zip(clips, pieces, strict=True)]
        print(summary(name, heard))
    for i in range(arguments.pictures):
        rows = [(f"true: {captions[i]}", true[i]), ("codec", coded[i]), ("generated", made[i])]
        draw(arguments.folder / f"{i}.png", rows)
        soundfile.write(arguments.folder / f"{i}.wav", made[i], SAMPLE_RATE)


if __name__ == "__main__":
    main()
