"""The network that a training starts from: it does what was fitted, and makes noise where told.

Components go straight through. The loudness of bands is heard by cells that rectify: the gates of
an LSTM multiply, and sigmoid(4u) tanh(u) is nearly 1 for a loud u > 0 and nearly 0 for the rest.
Each cell hears a few coefficients of a band at one of several gains, and a linear map, found by
least squares, reads the loudness off their sum over some frames. On the other side, cells of the
decoder's LSTM make noise: their input is a wild projection of the codes, and their output gate,
which is nearly exponential, is opened by the loudness of a band.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.nano.codec.envelope import BIN, Bands
from recipes.nano.codec.fit import Fit
from recipes.nano.codec.lapped import HOP, cosine_basis, split_frames
from recipes.nano.codec.network import FrameCodec, bend

INPUT, FORGET, CELL, OUTPUT = range(4)  # the order of an LSTM's gates
OPEN = 4.0  # bias of a gate that is open
LEVELS = 6  # gains of the cells that hear a band, evenly spaced in nats
LOUDEST = 2.5  # nats above the mean, what the deafest cells hear
SOFTEST = -7.2  # nats, what the keenest hear: near silence, and still a gain for half precision
HEARD = 4  # coefficients that a cell hears
READ_MIXES = 400
RIDGE = 1e-4
FIRST_NOISE = 1350  # Hz: below, music has tones
TONAL, TONAL_SHARE, NOISY_SHARE = 4000, 0.6, 0.9  # up to so many Hz noise is a part of the loudness
NOISE_HEADROOM = 3.5  # nats above the mean
COMPONENT_CHAOS, BAND_CHAOS = 6.0, 3.0  # of the projections that drive the noise
MAGNITUDE = 0.55  # root mean square of what a driven cell gives


@torch.no_grad()
def start_codec(fit: Fit, width: int, kernel: int, mixes: np.ndarray) -> FrameCodec:
    """Build and fill the network.

    Args:
        fit: what was fitted.
        width: channels at the frame rate; those beyond the codes' hear loudness and make noise.
        kernel: frames that the convolutions beside the codebooks see; odd.
        mixes: (clips, samples) of 16 bits, to read the loudness of.
    """
    generator = torch.Generator().manual_seed(0)
    codebooks, size, latent = fit.codebooks.shape
    codec = FrameCodec(width, latent, codebooks, size, kernel, lifted=fit.settings.components)
    for lstm in (codec.encoder_lstm, codec.decoder_lstm):
        _quieten(lstm, generator)
    _start_encoder(codec, fit, mixes, generator)
    _start_decoder(codec, fit, generator)
    codec.embed.copy_(fit.codebooks)
    return codec


def _quieten(lstm: nn.LSTM, generator: torch.Generator) -> None:
    for name, parameter in lstm.named_parameters():
        if "weight_ih" in name:
            parameter.normal_(0, 0.01, generator=generator)
        elif "weight_hh" in name:
            parameter.normal_(0, 0.001, generator=generator)
        else:
            parameter.zero_()


def _clear_cells(lstm: nn.LSTM, first: int) -> None:
    """Make the cells from `first` on hear nothing, keep nothing and let everything in."""
    width = lstm.hidden_size
    for gate in range(4):
        rows = slice(gate * width + first, (gate + 1) * width)
        lstm.weight_ih_l0[rows] = 0
        lstm.weight_hh_l0[rows] = 0
    lstm.bias_ih_l0[INPUT * width + first : (INPUT + 1) * width] = OPEN
    lstm.bias_ih_l0[FORGET * width + first : (FORGET + 1) * width] = -OPEN


def _start_encoder(
    codec: FrameCodec, fit: Fit, mixes: np.ndarray, generator: torch.Generator
) -> None:
    settings, bands, basis = fit.settings, fit.bands, cosine_basis()
    first, width = settings.components, codec.analysis.out_features
    scale = settings.component_scale
    codec.analysis.bias.zero_()
    codec.analysis.weight[:first] = scale * fit.analysis
    lstm = codec.encoder_lstm
    _clear_cells(lstm, first)
    for number, cell in enumerate(range(first, width)):
        level, band = divmod(number, len(bands))
        span = bands.span(band)
        heard = torch.randperm(len(span), generator=generator)[:HEARD] + span.start
        signs = _draw_signs(len(heard), generator)
        codec.analysis.weight[cell] = scale * (basis[:, heard] @ signs) / math.sqrt(len(heard))
        loudest = float(fit.loudness[band]) + LOUDEST
        heard_level = loudest + (SOFTEST - loudest) * (level % LEVELS) / (LEVELS - 1)
        gain = 2 / (scale * math.exp(heard_level))
        lstm.weight_ih_l0[CELL * width + cell, cell] = gain
        lstm.weight_ih_l0[OUTPUT * width + cell, cell] = 4 * gain
    to_latents = codec.to_latents
    reach = to_latents.kernel_size[0]
    to_latents.weight.zero_()
    to_latents.weight[range(first), range(first), reach // 2] = 1.0
    weights, bias = _read_loudness(codec, fit, mixes)
    to_latents.weight[first:, first:] = weights
    to_latents.bias.zero_()
    to_latents.bias[first:] = bias


def _read_loudness(codec: FrameCodec, fit: Fit, mixes: np.ndarray) -> tuple[Tensor, Tensor]:
    """Least squares from cells over the kernel's frames to loudness: (bands, cells, kernel)."""
    first, reach = fit.settings.components, codec.to_latents.kernel_size[0]
    cells = codec.analysis.out_features - first
    gram, product, rows = torch.zeros(()), torch.zeros(()), 0
    length = mixes.shape[1] // HOP * HOP
    for start in range(0, min(len(mixes), READ_MIXES), 40):
        audio = torch.from_numpy(mixes[start : start + 40, :length].astype(np.float32)) / 32767
        x = codec.analysis(split_frames(audio))
        x = bend(x + codec.encoder_lstm(x)[0], codec.encoder_lift)[..., first:].transpose(1, 2)
        around = F.pad(x, (reach // 2, reach // 2)).unfold(-1, reach, 1).transpose(1, 2)
        features = around[:, reach:-reach:3].flatten(2).flatten(0, 1)
        features = F.pad(features, (0, 1), value=1.0)
        targets = fit.measure_bands(audio)[:, reach:-reach:3].flatten(0, 1)
        gram = gram + features.t() @ features
        product = product + features.t() @ targets
        rows += len(features)
    ridge = RIDGE * torch.eye(len(gram))
    solved = torch.linalg.solve((gram / rows + ridge).double(), (product / rows).double()).float()
    return solved[:-1].t().view(-1, cells, reach), solved[-1]


def _start_decoder(codec: FrameCodec, fit: Fit, generator: torch.Generator) -> None:
    settings, bands, basis = fit.settings, fit.bands, cosine_basis()
    latent, width = codec.from_latents.in_channels, codec.synthesis.in_features
    from_latents = codec.from_latents
    from_latents.weight.normal_(0, 1e-3, generator=generator)
    from_latents.weight[range(latent), range(latent), from_latents.kernel_size[0] // 2] += 1.0
    from_latents.bias.zero_()
    codec.synthesis.weight.zero_()
    codec.synthesis.weight[:, : settings.components] = fit.synthesis.t() / settings.component_scale
    lstm = codec.decoder_lstm
    _clear_cells(lstm, latent)
    noisy = [band for band in range(len(bands)) if bands.edges[band] * BIN >= FIRST_NOISE]
    for cell, (band, bins) in zip(
        range(latent, width), _share_bins(bands, noisy, width - latent, generator), strict=True
    ):
        signs = _draw_signs(len(bins), generator)
        loudest = float(fit.loudness[band]) + NOISE_HEADROOM
        codec.synthesis.weight[:, cell] = basis[:, bins] @ signs * math.exp(loudest) / MAGNITUDE
        driven = CELL * width + cell
        lstm.weight_ih_l0[driven, : settings.components] = COMPONENT_CHAOS * torch.randn(
            settings.components, generator=generator
        )
        lstm.weight_ih_l0[driven, settings.components : latent] = BAND_CHAOS * torch.randn(
            len(bands), generator=generator
        )
        opened = OUTPUT * width + cell
        share = TONAL_SHARE if bands.edges[band] * BIN < TONAL else NOISY_SHARE
        lstm.weight_ih_l0[opened, settings.components + band] = 1 / settings.band_scale
        lstm.bias_ih_l0[opened] = float(fit.loudness[band]) - loudest + math.log(share)


def _share_bins(
    bands: Bands, noisy: list[int], cells: int, generator: torch.Generator
) -> list[tuple[int, Tensor]]:
    """Coefficients for each noise cell, by band: wide bands have more cells."""
    sizes = [len(bands.span(band)) ** 0.6 for band in noisy]
    ends = np.round(np.cumsum(sizes) / sum(sizes) * cells).astype(int)
    shared = []
    for band, count in zip(noisy, np.diff(ends, prepend=0), strict=True):
        span = bands.span(band)
        shuffled = torch.randperm(len(span), generator=generator) + span.start
        shared += [(band, shuffled[i :: int(count)]) for i in range(int(count))]
    return shared


def _draw_signs(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (count,), generator=generator).float() * 2 - 1
