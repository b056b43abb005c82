"""What a code sounds like, in few numbers: the linear half of the codec.

The audio of a code is a frame and, before it, a short crossfade from the frame before. All codes
together are described by as many waveforms as the decoder has room for, found by principal
component analysis of what pieces sound like; to the ear high tones count more than their energy
says, so they are raised before that. Codes add up: the band's audio is the sum of its sections'.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.nano.clips import CLIP_FRAMES, training_clip
from recipes.nano.codes import CODEBOOK_SIZE, first_codes, frame_at
from recipes.nano.compose.instruments import SECTIONS
from recipes.nano.compose.theory import FRAME
from recipes.nano.sampler import RELEASE, Sampler
from recipes.nano.score import tokens

CROSSFADE = RELEASE  # samples
EMPHASIS = 0.5  # 0: as energy says; 1: every frequency counts alike
QUIETEST = 1e-6  # of the loudest frequency
SURVEYED = 60  # pieces


@dataclass(frozen=True)
class Synthesis:
    """Codes as vectors, and the waveforms that the vectors weigh."""

    vectors: Tensor
    """(sections, codes, D); sums over the sections lie within -1..1."""
    waveforms: Tensor
    """(D, CROSSFADE + FRAME)."""

    def audio(self, codes: Tensor) -> Tensor:
        """Codes (sections, T) -> samples (T * FRAME,)."""
        vectors = sum(self.vectors[q][codes[q]] for q in range(len(SECTIONS)))
        return overlapped(vectors @ self.waveforms)


def overlapped(frames: Tensor) -> Tensor:
    """Frames (T, CROSSFADE + FRAME), each begun before the last has ended, -> (T * FRAME,)."""
    audio = frames.new_zeros(len(frames) * FRAME + CROSSFADE)
    audio[CROSSFADE:] += frames[:, CROSSFADE:].flatten()
    early = audio[:-CROSSFADE].view(len(frames), FRAME)[:, :CROSSFADE]
    early += frames[:, :CROSSFADE]
    return audio[CROSSFADE:]


def code_audio(sampler: Sampler) -> Tensor:
    """The audio of every code: (sections, codes, CROSSFADE + FRAME)."""
    audio = np.zeros((len(SECTIONS), CODEBOOK_SIZE, CROSSFADE + FRAME), np.float32)
    rise = np.linspace(0, 1, CROSSFADE, dtype=np.float32)
    for section in range(len(SECTIONS)):
        for sound, first in first_codes(section).items():
            frames = sampler.sound_frames(sound)
            for age in range(sound.player.frames):
                here = audio[section, first + age]
                here[CROSSFADE:] = frames[frame_at(sound, age)]
                if age > 0:
                    here[:CROSSFADE] = frames[age - 1, -CROSSFADE:] * rise
                here[-CROSSFADE:] *= 1 - rise
    return torch.from_numpy(audio)


def survey(pieces: int) -> NDArray[np.int64]:
    """The codes of some pieces, (sections, frames): how often what is played."""
    clips = (training_clip(seed, CLIP_FRAMES) for seed in range(pieces))
    return np.concatenate([tokens(clip.excerpt) for clip in clips], axis=1)


def fit_synthesis(sampler: Sampler, size: int, pieces: int = SURVEYED) -> Synthesis:
    """The best description with `size` waveforms of what is heard in some pieces."""
    audio = code_audio(sampler)
    played = torch.from_numpy(survey(pieces))
    band = torch.stack([audio[q][played[q]] for q in range(len(SECTIONS))]).sum(0)
    raised, lowered = _emphasis(band)
    weighted = (band @ raised).double()
    _, axes = torch.linalg.eigh(weighted.t() @ weighted)
    axes = axes[:, -size:].flip(1).float()
    vectors = audio @ (raised @ axes)
    waveforms = axes.t() @ lowered
    largest = vectors.abs().amax(1).sum(0).clamp(min=1e-6)
    return Synthesis(vectors / largest, waveforms * largest[:, None])


def save_synthesis(path: Path, synthesis: Synthesis) -> None:
    """Write it, whole or not at all."""
    unfinished = path.with_suffix(".part")
    parts = {"vectors": synthesis.vectors, "waveforms": synthesis.waveforms}
    save_file({name: part.contiguous() for name, part in parts.items()}, unfinished)
    unfinished.replace(path)


def load_synthesis(path: Path) -> Synthesis:
    """Read what `save_synthesis` wrote."""
    stored = load_file(path)
    return Synthesis(stored["vectors"], stored["waveforms"])


def _emphasis(band: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices that raise quiet frequencies of a frame, and that lower them again."""
    length = band.shape[1]
    power = torch.fft.rfft(band).abs().square().mean(0)
    gain = (power + power.max() * QUIETEST) ** (-EMPHASIS / 2)
    unit = torch.fft.rfft(torch.eye(length))
    return torch.fft.irfft(unit * gain, n=length), torch.fft.irfft(unit / gain, n=length)
