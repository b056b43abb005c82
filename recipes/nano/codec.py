"""Train the codec: EnCodec's network and file format, our own quantiser's training.

Four phases share the time: latents unquantised; codebooks set by k-means and then following the
data; encoder and codebooks frozen (tokens can be coded from then on) while the decoder trains on.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecResnetBlock

from recipes.nano.compose import compose
from recipes.nano.compose.theory import FRAME, SAMPLE_RATE
from recipes.nano.losses import mel_distance, si_sdr, waveform_distance
from recipes.nano.runs import Clock, Log, load_checkpoint, save_checkpoint
from recipes.nano.rvq import ResidualQuantizer
from recipes.nano.sampler import Sampler

HELD_OUT_SEEDS = range(1_000_000_000, 1_000_000_008)
EVALUATED_FRAMES = 250
QUANTIZERS = 4
RESIDUAL_BRANCH_STD = 0.4
PIECE_FRAMES, MARGIN_FRAMES = 150, 4  # of coding
Convolution = nn.Conv1d | nn.ConvTranspose1d


@dataclass(frozen=True)
class CodecSettings:
    """Size and training of the codec."""

    filters: int = 16
    width: int = 64  # of the latents
    codebook_size: int = 512
    batch: int = 6
    frames: int = 40  # of a training excerpt
    learning_rate: float = 1e-3
    warm_up: int = 50  # steps
    unquantised_steps: int = 500
    refit_every: int = 250  # steps, until
    refit_until: float = 0.4  # of the budget
    freeze_at: float = 0.66  # of the budget
    on_grid: float = 0.85  # share of excerpts that start on a frame, at the level they were mixed
    commitment: float = 0.25
    kept_latents: int = 100  # steps whose latents k-means sees
    report_seconds: float = 90.0


class Codec(nn.Module):
    """EnCodec with a trainable quantiser.

    `network` is stock transformers; its own quantiser is filled by `finished_network`.
    """

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        self.network = EncodecModel(encodec_config(settings))
        self.quantizer = ResidualQuantizer(QUANTIZERS, settings.codebook_size, settings.width)

    def encode(self, audio: Tensor) -> Tensor:
        """Audio (B, N) at 32 kHz -> codes (B, Q, N / 640)."""
        *convolutions, lstm, activation, last = self.network.encoder.layers
        frames = audio.shape[1] // FRAME
        pieces = []
        # The convolutions see few frames: in pieces they give the same, out of the CPU's caches.
        for first in range(0, frames, PIECE_FRAMES):
            start = max(0, first - MARGIN_FRAMES)
            x = audio[:, None, start * FRAME : (first + PIECE_FRAMES + MARGIN_FRAMES) * FRAME]
            for layer in convolutions:
                x = layer(x)
            pieces.append(x[..., first - start : first - start + PIECE_FRAMES])
        latents = last(activation(lstm(torch.cat(pieces, dim=-1))))
        codes: Tensor = self.quantizer(latents).codes
        return codes

    def reconstruct(self, audio: Tensor) -> Tensor:
        """Audio (B, N) through encoder, codes and decoder: (B, N)."""
        latents = self.quantizer(self.network.encoder(audio[:, None])).latents
        output: Tensor = self.network.decoder(latents)[:, 0, : audio.shape[1]]
        return output

    def finished_network(self) -> EncodecModel:
        """The network with the codebooks in their place, as transformers expects it."""
        for layer, codebook in zip(
            self.network.quantizer.layers, self.quantizer.codebooks, strict=True
        ):
            layer.codebook.embed.copy_(codebook)
            layer.codebook.embed_avg.copy_(codebook)
            layer.codebook.cluster_size.fill_(1.0)
        return self.network.eval()


def encodec_config(settings: CodecSettings) -> EncodecConfig:
    """The layout: 32 kHz mono, 50 frames a second, four codebooks."""
    bits = (settings.codebook_size - 1).bit_length()
    return EncodecConfig(
        sampling_rate=SAMPLE_RATE,
        audio_channels=1,
        normalize=False,
        num_filters=settings.filters,
        num_residual_layers=1,
        residual_kernel_size=3,
        num_lstm_layers=1,
        upsampling_ratios=[8, 5, 4, 4],
        hidden_size=settings.width,
        codebook_dim=settings.width,
        codebook_size=settings.codebook_size,
        use_causal_conv=False,
        norm_type="weight_norm",
        pad_mode="reflect",
        target_bandwidths=[QUANTIZERS * bits * SAMPLE_RATE / FRAME / 1000],
    )


@torch.no_grad()
def scale_layers(stack: nn.Module, inputs: Tensor, output_std: float) -> None:
    """Scale every convolution, in order, to outputs of unit variance on these inputs.

    Source: "All you need is a good init" (Mishkin & Matas, 2015). With the stock initialisation
    the latents collapse. Branches of residual blocks get less, the last layer `output_std`.
    """
    branches = {
        id(list(block.block)[-1].conv)
        for block in stack.modules()
        if isinstance(block, EncodecResnetBlock)
    }
    order: list[Convolution] = []
    measured: dict[int, float] = {}

    def observe(layer: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(layer, Convolution):
            order.append(layer)
            measured[id(layer)] = output.std().item()

    layers = [layer for layer in stack.modules() if isinstance(layer, Convolution)]
    hooks = [layer.register_forward_hook(observe) for layer in layers]
    stack(inputs)
    for layer in tuple(order):
        if layer.bias is not None:
            layer.bias.zero_()
        stack(inputs)
        target = output_std if layer is order[-1] else 1.0
        if id(layer) in branches:
            target = RESIDUAL_BRANCH_STD
        # The gain of the weight norm: the direction of the weights stays.
        gain = layer.get_parameter("parametrizations.weight.original0")
        gain.mul_(target / max(measured[id(layer)], 1e-6))
    for hook in hooks:
        hook.remove()


def excerpts(
    sampler: Sampler, settings: CodecSettings, generator: torch.Generator
) -> Iterator[Tensor]:
    """Endless batches (B, frames * 640) of fresh music."""
    length = settings.frames * FRAME

    def draw(limit: int) -> int:
        return int(torch.randint(limit, (), generator=generator))

    while True:
        rows = []
        for _ in range(settings.batch):
            piece = compose(draw(1_000_000_000))
            first = draw(8 * piece.frames_per_bar)
            audio = torch.from_numpy(sampler.render(piece, first + settings.frames + 1))
            start, gain = first * FRAME, 1.0
            if torch.rand((), generator=generator) > settings.on_grid:
                start += draw(FRAME)
                gain = 0.3 + float(torch.rand((), generator=generator))
            rows.append(audio[start : start + length] * gain)
        yield torch.stack(rows)


def train_codec(
    folder: Path, sampler: Sampler, settings: CodecSettings, budget: float, device: str = "cpu"
) -> Codec:
    """Train for `budget` seconds in all, going on from `folder/codec.pt` where that is.

    The file's `frozen` says whether codes are final.
    """
    path, log = folder / "codec.pt", Log(folder / "codec.log")
    torch.manual_seed(0)
    codec = Codec(settings).to(device)
    optimizer = torch.optim.AdamW(
        codec.network.parameters(), settings.learning_rate, betas=(0.8, 0.99), weight_decay=1e-4
    )
    state = load_checkpoint(path, device)
    step, spent = (state["step"], state["seconds"]) if state else (0, 0.0)
    batches = excerpts(sampler, settings, torch.Generator().manual_seed(step))
    if state:
        codec.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    else:
        audio = next(batches).to(device)
        scale_layers(codec.network.encoder, audio[:, None], 1.0)
        scale_layers(codec.network.decoder, codec.network.encoder(audio[:, None]), 0.1)
    clock = Clock(budget, spent)
    log.write(f"codec {asdict(settings)} from step {step}, {spent:.0f} s spent of {budget:.0f} s")
    latents: list[Tensor] = []
    losses: list[float] = []
    next_report = clock.seconds + settings.report_seconds
    frozen = bool(state and state["frozen"])
    codec.train()

    def save() -> None:
        save_checkpoint(path, {
            "model": codec.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
            "seconds": clock.seconds, "frozen": frozen, "settings": asdict(settings),
        })  # fmt: skip

    while clock.share < 1:
        rate = settings.learning_rate * min(1.0, (step + 1) / settings.warm_up)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, clock.share))))
        audio = next(batches).to(device)
        if not frozen and clock.share > settings.freeze_at and step > settings.unquantised_steps:
            frozen = True
            log.write(f"step {step}: encoder and codebooks are frozen; the decoder trains on")
            codec.network.encoder.requires_grad_(False)
            save()
        codec.quantizer.train(not frozen)
        with torch.set_grad_enabled(not frozen):
            encoded = codec.network.encoder(audio[:, None])
        commitment = audio.new_zeros(())
        decoder_input = encoded
        if step >= settings.unquantised_steps:
            quantised = codec.quantizer(encoded)
            decoder_input, commitment = quantised.latents, quantised.commitment
        output = codec.network.decoder(decoder_input)[:, 0]
        loss = mel_distance(output, audio) + waveform_distance(output, audio)
        loss = loss + settings.commitment * commitment
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(codec.network.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())

        latents.append(encoded.detach().transpose(1, 2).reshape(-1, settings.width))
        del latents[: -settings.kept_latents]
        first_fit = step == settings.unquantised_steps
        quantised_steps = step - settings.unquantised_steps
        refit = quantised_steps % settings.refit_every == 0 and clock.share < settings.refit_until
        if first_fit or (quantised_steps > 0 and refit):
            codec.quantizer.fit(torch.cat(latents), settings.batch * settings.frames)
        if clock.seconds >= next_report:
            unquantised = step < settings.unquantised_steps
            ratio, distance = evaluate_codec(codec, sampler, device, unquantised)
            log.write(
                f"{clock.seconds:.0f} s step {step} loss {sum(losses) / len(losses):.3f} "
                f"commitment {commitment.item():.3f} | "
                f"held out: SI-SDR {ratio:.2f} dB, mel {distance:.4f}"
            )
            losses.clear()
            save()
            next_report = clock.seconds + settings.report_seconds
    if step < settings.unquantised_steps:
        raise RuntimeError(
            f"the codec's budget of {budget:.0f} s ended at step {step}, before codebooks exist "
            f"(step {settings.unquantised_steps}); give it more time"
        )
    frozen = True
    save()
    ratio, distance = evaluate_codec(codec, sampler, device)
    log.write(f"end: step {step}, held out: SI-SDR {ratio:.2f} dB, mel {distance:.4f}")
    return codec.eval()


def load_codec(folder: Path) -> Codec:
    """The codec as last saved in `folder`, for coding and decoding."""
    state = load_checkpoint(folder / "codec.pt")
    if state is None or not state["frozen"]:
        raise FileNotFoundError(
            f"{folder / 'codec.pt'} holds no codec whose codes are final; run the codec stage first"
        )
    codec = Codec(CodecSettings(**state["settings"]))
    codec.load_state_dict(state["model"])
    return codec.eval().requires_grad_(False)


@torch.no_grad()
def evaluate_codec(
    codec: Codec, sampler: Sampler, device: str = "cpu", unquantised: bool = False
) -> tuple[float, float]:
    """Mean SI-SDR in dB and mel distance over five seconds of eight held-out pieces."""
    was_training = codec.training
    codec.eval()
    ratios, distances = [], []
    for seed in HELD_OUT_SEEDS:
        audio = torch.from_numpy(sampler.render(compose(seed), EVALUATED_FRAMES))[None].to(device)
        if unquantised:
            output = codec.network.decoder(codec.network.encoder(audio[:, None]))[:, 0]
        else:
            output = codec.reconstruct(audio)
        ratios.append(si_sdr(output, audio).item())
        distances.append(mel_distance(output, audio).item())
    codec.train(was_training)
    return sum(ratios) / len(ratios), sum(distances) / len(distances)
