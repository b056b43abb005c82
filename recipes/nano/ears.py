"""Ears: what can be heard in a clip. Small networks over measures of sound, fitted on true renders.

They know nothing of tokens. How far they can be trusted is measured on renders that they were not
fitted on; the judge prints that beside every share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.nano.clips import Clip
from recipes.nano.compose.instruments import BAND, BASS, DRUMS, HARMONY, MELODY
from recipes.nano.compose.piece import Piece
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import FRAME, MODES, SAMPLE_RATE, Key
from recipes.nano.compose.words import TEMPOS
from recipes.nano.losses import mel_filters
from recipes.nano.runs import load_checkpoint, save_checkpoint

HOP = FRAME // 4  # of the onsets
BANDS = 48
RHYTHM_WINDOW, PITCH_WINDOW = 1024, 16_384
LAGS = 100  # codec frames: four seconds
REGISTERS = ((50, 215), (215, 430), (430, 900))  # Hz: where bass, chords and tunes lie
HIDDEN, STEPS, KEY_STEPS, RATE = 128, 500, 1500, 2e-3
SHAKE = 0.1  # noise on measures while fitting: clips of a model are not as clean as renders

TEMPO_NAMES = tuple(sorted(TEMPOS))
STYLE_NAMES = tuple(style.name for style in STYLES)
MODE_NAMES = tuple(MODES)
PLAYERS = {
    section: (None, *(player.name for player in BAND if player.section == section))
    for section in (DRUMS, BASS, HARMONY, MELODY)
}


@dataclass(frozen=True)
class Heard:
    """What a clip sounds like."""

    frames_per_eighth: int
    key: Key
    style: str
    players: tuple[str | None, ...]
    """By section: drums, bass, harmony, melody."""


@dataclass(frozen=True)
class Measures:
    """Of N clips."""

    rhythm: Tensor
    """(N, 4 * LAGS) how much onsets repeat after so many frames: all, low, middle, high."""
    pitch: Tensor
    """(N, registers, 12) loudness of the pitch classes."""
    colour: Tensor
    """(N, 3 * BANDS) loudness of bands: mean, spread, at onsets."""


@torch.no_grad()
def measure(clips: Sequence[Tensor]) -> Measures:
    """Measure clips (samples,) at 32 kHz."""
    each = [(_rhythm(clip), _pitch(clip), _colour(clip)) for clip in clips]
    rhythm, pitch, colour = (torch.stack(part) for part in zip(*each, strict=True))
    return Measures(rhythm, pitch, colour)


class Ears:
    """Listeners for every question, fitted by `fit_ears`."""

    def __init__(self, networks: dict[str, nn.Module], scale: "Scale") -> None:
        self._networks, self._scale = networks, scale

    @torch.no_grad()
    def hear(self, clips: Sequence[Tensor]) -> list[Heard]:
        """Listen to clips (samples,) at 32 kHz."""
        measures = measure(clips)
        inputs = self._scale.inputs(measures)
        answers = {
            name: self._networks[name](inputs[name]).argmax(-1).tolist() for name in self._networks
        }
        return [
            Heard(
                TEMPO_NAMES[answers["tempo"][i]],
                _key_of(answers["key"][i]),
                STYLE_NAMES[answers["style"][i]],
                tuple(PLAYERS[section][answers[_player(section)][i]] for section in PLAYERS),
            )
            for i in range(len(clips))
        ]

    def save(self, path: Path) -> None:
        """Write them, to be read by `load_ears`."""
        networks = {name: network.state_dict() for name, network in self._networks.items()}
        save_checkpoint(path, {
            "networks": networks, "mean": self._scale.mean, "spread": self._scale.spread,
        })  # fmt: skip


def load_ears(path: Path) -> Ears | None:
    """Ears that were written; None where there are none."""
    state = load_checkpoint(path)
    if state is None:
        return None
    networks: dict[str, nn.Module] = {}
    for name, weights in state["networks"].items():
        first, last = weights["0.weight"], weights["3.weight"]
        networks[name] = _network(first.shape[1], len(last)).eval()
        networks[name].load_state_dict(weights)
    return Ears(networks, Scale(state["mean"], state["spread"]))


@dataclass(frozen=True)
class Scale:
    """Means and spreads of measures, to bring them to a common size."""

    mean: dict[str, Tensor]
    spread: dict[str, Tensor]

    @staticmethod
    def of(measures: Measures) -> "Scale":
        """As they are in some clips."""
        parts = {"rhythm": measures.rhythm, "colour": measures.colour}
        return Scale(
            {name: part.mean(0) for name, part in parts.items()},
            {name: part.std(0).clamp(min=1e-3) for name, part in parts.items()},
        )

    def inputs(self, measures: Measures) -> dict[str, Tensor]:
        """What each network gets."""
        rhythm = (measures.rhythm - self.mean["rhythm"]) / self.spread["rhythm"]
        colour = (measures.colour - self.mean["colour"]) / self.spread["colour"]
        everything = torch.cat([colour, rhythm, measures.pitch.flatten(1)], dim=1)
        of_players = {_player(section): everything for section in PLAYERS}
        return {
            "tempo": rhythm, "key": measures.pitch.flatten(1), "style": everything, **of_players,
        }  # fmt: skip


def fit_ears(clips: Sequence[Clip], audio: Sequence[Tensor]) -> Ears:
    """Fit on renders."""
    torch.manual_seed(0)
    measures = measure(audio)
    scale = Scale.of(measures)
    pieces = [clip.piece for clip in clips]
    targets = {
        "tempo": [TEMPO_NAMES.index(piece.frames_per_eighth) for piece in pieces],
        "style": [STYLE_NAMES.index(piece.style) for piece in pieces],
        **{
            _player(section): [
                PLAYERS[section].index(players_of(piece)[section]) for piece in pieces
            ]
            for section in PLAYERS
        },
    }
    inputs = scale.inputs(measures)
    networks = {
        name: _fitted(inputs[name], torch.tensor(target)) for name, target in targets.items()
    }
    turned = torch.cat([measures.pitch.roll(shift, dims=2).flatten(1) for shift in range(12)])
    keys = torch.tensor([
        _key_number(Key((piece.key.tonic + shift) % 12, piece.key.mode))
        for shift in range(12)
        for piece in pieces
    ])  # fmt: skip
    networks["key"] = _fitted(turned, keys, KEY_STEPS)
    return Ears(networks, scale)


def players_of(piece: Piece) -> tuple[str | None, ...]:
    """Who plays in a piece, by section."""
    return piece.drums, piece.bass, piece.harmony, piece.melody


def _network(inputs: int, answers: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.GELU(), nn.Dropout(0.3), nn.Linear(HIDDEN, answers)
    )


def _fitted(inputs: Tensor, targets: Tensor, steps: int = STEPS) -> nn.Module:
    network = _network(inputs.shape[1], int(targets.max()) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    shake = SHAKE * inputs.std()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        rows = torch.randint(len(inputs), (256,))
        shaken = inputs[rows] + shake * torch.randn_like(inputs[rows])
        loss = F.cross_entropy(network(shaken), targets[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return network.eval()


def _player(section: int) -> str:
    return f"player {section}"


def _key_number(key: Key) -> int:
    return MODE_NAMES.index(key.mode) * 12 + key.tonic


def _key_of(number: int) -> Key:
    return Key(number % 12, MODE_NAMES[number // 12])


def _spectrum(audio: Tensor, window: int, hop: int) -> Tensor:
    return torch.stft(
        audio, window, hop, window=torch.hann_window(window), return_complex=True
    ).abs()


def _bands(audio: Tensor) -> Tensor:
    """Loudness of mel bands every HOP samples: (BANDS, T)."""
    filters = mel_filters(RHYTHM_WINDOW, BANDS, torch.device("cpu"))
    return torch.log1p(100 * filters @ _spectrum(audio, RHYTHM_WINDOW, HOP))


def _rhythm(audio: Tensor) -> Tensor:
    bands = _bands(audio)
    rises = (bands[:, 1:] - bands[:, :-1]).clamp(min=0)
    third = BANDS // 3
    parts = [rises, rises[:third], rises[third : 2 * third], rises[2 * third :]]
    lags = torch.arange(1, LAGS + 1) * (FRAME // HOP)
    repeats = []
    for part in parts:
        onsets = part.sum(0)
        onsets = onsets - onsets.mean()
        length = 2 * max(len(onsets), int(lags[-1]) + 1)
        correlation = torch.fft.irfft(torch.fft.rfft(onsets, n=length).abs().square())
        # Neighbours of a lag count as well: a model's onsets need not be exact.
        near = F.max_pool1d(correlation[None], 3, 1, 1)[0]
        weight = len(onsets) / (len(onsets) - lags).clamp(min=1)
        repeats.append(near[lags] * weight / (correlation[0] + 1e-6))
    return torch.cat(repeats)


def _pitch(audio: Tensor) -> Tensor:
    power = _spectrum(audio, PITCH_WINDOW, PITCH_WINDOW // 8)
    # A tone is a peak; what lies beside one is its skirt.
    power = power * (power >= F.max_pool1d(power.t()[None], 3, 1, 1)[0].t())
    hertz = torch.arange(len(power)) * SAMPLE_RATE / PITCH_WINDOW
    registers = []
    for low, high in REGISTERS:
        inside = (hertz >= low) & (hertz < high)
        classes = (torch.round(12 * torch.log2(hertz[inside] / 440)).long() + 9) % 12
        places = classes[:, None].expand(-1, power.shape[1])
        loud = torch.zeros(12, power.shape[1]).scatter_reduce(0, places, power[inside], "amax")
        loud = loud / (loud.amax() + 1e-3)
        registers.append((loud + 0.01).log10().mean(1) / 2 + 1)
    return torch.stack(registers)


def _colour(audio: Tensor) -> Tensor:
    bands = _bands(audio)
    rise = (bands[:, 1:] - bands[:, :-1]).clamp(min=0)
    onsets = rise.sum(0)
    struck = onsets >= onsets.quantile(0.95)
    return torch.cat([bands.mean(1), bands.std(1), bands[:, 1:][:, struck].mean(1)])
