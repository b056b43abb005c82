"""Multi-band diffusion: a second way from codes to audio, beside the codec's decoder.

Source: "From Discrete Tokens to High-Fidelity Audio Using Multi-Band Diffusion" (San Roman et al.,
2023). Each of a few networks makes one band of frequencies out of noise, told by the codec's
latents what to make; their sum gets the strengths of the codec's own audio in 32 bands.

A piece goes through a diffusion as one signal, however long it is. The network sees windows of it
that overlap, and its estimates are cross-faded in every step: so there is one signal at a seam, and
not two takes. Noise belongs to a place in the piece, whatever window sees it.

Shapes: C audio channels, K codebooks, T frames, N samples, D width of the latents.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from songloom.errors import Cancelled
from songloom.models.bands import BandProcessor, equalize_bands
from songloom.models.codec import Codec
from songloom.models.diffusion_schedule import Noise, PowerSchedule
from songloom.models.diffusion_unet import UNet

WINDOW_SECONDS = 10.0
"""Length of what a network sees at once."""
OVERLAP_SECONDS = 0.5
"""Least length of what two windows share."""
Report = Callable[[float], None]
"""Told what part of the work is done, 0 to 1."""
_Count = Callable[[], None]


@dataclass(frozen=True)
class Windows:
    """Windows over a piece, in samples; a piece shorter than one is its only window."""

    length: int
    """Of all windows, except that the last one may be shorter by a part of a unit."""
    overlap: int
    margin: int
    """Samples at the ends of a window that are not used where another window has them: there the
    network misses a part of what it wants to see."""
    unit: int
    """Windows begin at multiples of it, and so lie alike on the grids of codec and networks."""

    def bounds(self, samples: int) -> list[tuple[int, int]]:
        """First sample of each window, and the one after its last."""
        if samples <= self.length:
            return [(0, samples)]
        step = self.length - self.overlap
        last = -(-(samples - self.length) // self.unit) * self.unit
        starts = [*range(0, samples - self.length, step), last]
        return [(start, min(start + self.length, samples)) for start in starts]

    def fade(self, device: torch.device) -> Tensor:
        """Weights (overlap,) with which a window takes over from the one before it."""
        ramp = torch.linspace(0, math.pi, self.overlap - 2 * self.margin + 2, device=device)[1:-1]
        rising = 0.5 - 0.5 * ramp.cos()
        return torch.cat([rising.new_zeros(self.margin), rising, rising.new_ones(self.margin)])


class Band(nn.Module):
    """The network, noise schedule and processor of one band of frequencies."""

    def __init__(
        self, unet: UNet, schedule: PowerSchedule, processor: BandProcessor | None
    ) -> None:
        super().__init__()
        self.unet = unet
        self.schedule = schedule
        self.processor = processor


class MultiBandDiffusion(nn.Module):
    """Decodes a codec's codes by diffusion.

    Args:
        bands: the networks, one for each band.
        sample_rate: Hz, of the codec.
    """

    def __init__(self, bands: Sequence[Band], sample_rate: int) -> None:
        super().__init__()
        self.bands = nn.ModuleList(bands)
        self.sample_rate = sample_rate

    @property
    def condition_size(self) -> int:
        """D, which must be the codec's."""
        return next(self.each_band()).unet.config.condition_size

    def prepare_for_inference(self) -> None:
        """Give the networks the precision and the form in which they are fastest on their device.

        A GPU computes them in bfloat16, and compiled where there is the compiler, Triton; the
        signal itself stays in float32. On a CPU they stay as they are, since they are computed
        exactly there.
        """
        self.eval().requires_grad_(False)
        for band in self.each_band():
            if band.unet.conv_codec.weight.is_cuda:
                band.unet.to(torch.bfloat16)
                if importlib.util.find_spec("triton") is not None:
                    band.unet.compile()

    def decode(
        self,
        codec: Codec,
        codes: Tensor,
        seed: int,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Tensor:
        """Codes (K, T) -> samples (C, T * hop); the same seed gives the same samples.

        Channels are decoded apart, with the same noise: what is alike in them stays alike.

        Args:
            codec: whose codes they are.
            codes: of all channels, interleaved.
            seed: of the noise.
            report: called after each estimate of a network.
            cancelled: asked as often.

        Raises:
            Cancelled: see `cancelled`.
        """
        codes = codes.to(codec.device)
        like = codec.decode(codes)
        generator = torch.Generator().manual_seed(seed)

        def noise() -> Tensor:
            # On the CPU, so that all devices have the same.
            return torch.randn(1, like.shape[-1], generator=generator).to(like.device)

        made = self.generate(codec.latents(codes), codec.hop, noise, report, cancelled)
        return equalize_bands(made, like, self.sample_rate)

    @torch.inference_mode()
    def generate(
        self,
        latents: Tensor,
        hop: int,
        noise: Noise,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Tensor:
        """Latents (C, D, T) -> the sum of the bands, (C, T * hop), not yet equalised.

        Args:
            latents: of the codec.
            hop: samples of a frame.
            noise: gives (1, T * hop) each time: first a band's beginning, then its steps', then
                those of the next band.
            report: see `decode`.
            cancelled: see `decode`.
        """
        windows = self.windows(hop).bounds(latents.shape[-1] * hop)
        ways = [band.schedule.way_back() for band in self.each_band()]
        total = sum(map(len, ways)) * len(windows)
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if report is not None:
                report(done / total)
            if cancelled is not None and cancelled():
                raise Cancelled("the decoding by diffusion was cancelled")

        whole = latents.new_zeros(len(latents), latents.shape[-1] * hop)
        for band, way in zip(self.each_band(), ways, strict=True):
            x = band.schedule.noise_scale * noise().expand_as(whole)
            for step in way:
                estimate = self._estimate(band.unet, x, step.index, latents, hop, count)
                x = band.schedule.remove_noise(x, estimate, step, noise() if step.added else None)
            whole += x if band.processor is None else band.processor.restore(x)
        return whole

    def windows(self, hop: int) -> Windows:
        """The windows that the networks see, for a codec of `hop` samples a frame."""
        shapes = [band.unet.config for band in self.each_band()]
        unit = math.lcm(hop, *(shape.stride**shape.depth for shape in shapes))

        def units(samples: float) -> int:
            return math.ceil(samples / unit) * unit

        margin = units(max(shape.reach for shape in shapes))
        overlap = max(units(OVERLAP_SECONDS * self.sample_rate), 4 * margin)
        length = max(units(WINDOW_SECONDS * self.sample_rate), 2 * overlap)
        return Windows(length, overlap, margin, unit)

    def _estimate(
        self, unet: nn.Module, x: Tensor, step: int, latents: Tensor, hop: int, count: _Count
    ) -> Tensor:
        """The noise in x (C, N), window by window."""
        estimate = torch.empty_like(x)
        layout = self.windows(hop)
        fade = layout.fade(x.device)
        steps = torch.full((len(x),), step, device=x.device)
        dtype = next(unet.parameters()).dtype
        for start, end in layout.bounds(x.shape[-1]):
            condition = latents[..., start // hop : end // hop].to(dtype)
            part = unet(x[:, None, start:end].to(dtype), steps, condition)[:, 0].to(x.dtype)
            if start:
                shared = estimate[:, start : start + layout.overlap]
                shared.lerp_(part[:, : layout.overlap], fade)
                estimate[:, start + layout.overlap : end] = part[:, layout.overlap :]
            else:
                estimate[:, :end] = part
            count()
        return estimate

    def each_band(self) -> Iterator[Band]:
        """The bands, from the lowest frequencies up."""
        for band in self.bands:
            assert isinstance(band, Band)
            yield band
