"""The codec: what was fitted and learned, written into EnCodec's network.

Any EnCodec decodes with convolutions that make each frame's vector longer and longer, step by step.
Here the first such step holds the waveforms of `synthesis`, and the others only put samples in a
row. The encoder takes a row of samples apart likewise, measures the frame, and goes on as
`listener` does. Between the convolutions EnCodec bends all signals with an ELU, which leaves alone
what is above zero; so they are lifted by a constant, which the next convolution takes off again.

A code's vector has the parts that the listener compares, one for each section and zero but for its
own, and what the decoder needs, made so small that it does not count in a comparison. So stock
EnCodec's residual quantiser, book after book, finds each section's nearest code.
"""

import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel

from recipes.nano.clips import held_out_clip
from recipes.nano.codes import CODEBOOK_SIZE
from recipes.nano.compose.instruments import SECTIONS
from recipes.nano.compose.theory import FRAME, FRAME_RATE, SAMPLE_RATE
from recipes.nano.listener import Listener
from recipes.nano.losses import mel_distance, si_sdr
from recipes.nano.sampler import Sampler
from recipes.nano.synthesis import Synthesis

RATIOS = (10, 8, 4, 4)  # of the decoder; their product is a frame
FILTERS = 16
CHANNELS = FILTERS * 2 ** len(RATIOS)  # of the slowest layers
CONSTANTS = 2  # channels that take the lift off again, the second what the first's rounding leaves
WAVEFORMS = CHANNELS - CONSTANTS
KERNEL = 3
LIFT = 2.0  # of samples, which lie within -1..1, and a little more where sections add up
SLOW_LIFT = 1.0625  # of the waveforms' weights, which lie within -1..1
SMALL = 1 / 64  # the decoder's part of a code's vector
EVALUATED_FRAMES = 250


def encodec_config(listener: Listener) -> EncodecConfig:
    """The layout: 32 kHz mono, 25 frames a second, four codebooks."""
    bits = (CODEBOOK_SIZE - 1).bit_length()
    size = listener.look.out_channels + CHANNELS
    return EncodecConfig(
        sampling_rate=SAMPLE_RATE,
        audio_channels=1,
        normalize=False,
        num_filters=FILTERS,
        num_residual_layers=1,  # at least one is expected; here they add nothing
        residual_kernel_size=1,
        compress=FILTERS,
        use_conv_shortcut=False,
        num_lstm_layers=1,
        upsampling_ratios=list(RATIOS),
        kernel_size=KERNEL,
        last_kernel_size=listener.look.kernel_size[0],
        hidden_size=size,
        codebook_dim=size,
        codebook_size=CODEBOOK_SIZE,
        use_causal_conv=False,
        norm_type="weight_norm",
        pad_mode="reflect",
        target_bandwidths=[len(SECTIONS) * bits * FRAME_RATE / 1000],
    )


@torch.no_grad()
def assemble_codec(synthesis: Synthesis, listener: Listener) -> EncodecModel:
    """EnCodec with the weights that do all this."""
    network = EncodecModel(encodec_config(listener))
    _fill_encoder(network.encoder, listener)
    _fill_decoder(network.decoder, synthesis, listener.look.out_channels)
    parts, width = listener.look.out_channels, listener.own.shape[-1]
    for section, layer in enumerate(network.quantizer.layers):
        codebook = torch.zeros_like(layer.codebook.embed)
        codebook[:, section * width : (section + 1) * width] = listener.vectors()[section]
        vectors = synthesis.vectors[section]
        codebook[:, parts : parts + vectors.shape[1]] = SMALL * vectors
        layer.codebook.embed.copy_(codebook)
        layer.codebook.embed_avg.zero_()  # of training; here it would only take room
        layer.codebook.cluster_size.fill_(1.0)
    return network.eval()


def reconstruct(network: EncodecModel, audio: Tensor) -> Tensor:
    """Audio (B, N) through codes and back: (B, N)."""
    coded = network.encode(audio[:, None])
    output: Tensor = network.decode(coded.audio_codes, coded.audio_scales)[0]
    return output[:, 0, : audio.shape[1]]


@torch.no_grad()
def evaluate_codec(network: EncodecModel, sampler: Sampler, clips: int) -> tuple[float, float]:
    """Mean SI-SDR in dB and mel distance over ten seconds of held-out pieces."""
    ratios, distances = [], []
    for number in range(clips):
        audio = torch.from_numpy(sampler.render(held_out_clip(number, EVALUATED_FRAMES).excerpt))[
            None
        ]
        output = reconstruct(network, audio)
        ratios.append(si_sdr(output, audio).item())
        distances.append(mel_distance(output, audio).item())
    return sum(ratios) / clips, sum(distances) / clips


def _fill_encoder(encoder: nn.Module, listener: Listener) -> None:
    first, *middle, lstm, last = _parametrised(encoder)
    weight, bias = _zeros(first)
    weight[0, 0, KERNEL // 2] = 1.0
    bias[0] = LIFT
    _set(first, weight, bias)
    held = 1  # samples that stand side by side in the channels
    *foldings, measuring = middle
    for layer, ratio in zip(foldings, RATIOS[:0:-1], strict=True):
        weight, bias = _zeros(layer)
        before = ratio - ratio // 2  # of the padding
        for tap in range(ratio):
            for channel in range(held):
                weight[tap * held + channel, channel, before + tap] = 1.0
        held *= ratio
        _set(layer, weight, bias)
    ratio = RATIOS[0]
    weight, bias = _zeros(measuring)
    taps = slice(ratio - ratio // 2, 2 * ratio - ratio // 2)
    measures = listener.measure.weight.view(
        -1, ratio, held
    )  # in blocks of what a channel row holds
    weight[:, :held, taps] = measures.transpose(1, 2)
    bias.copy_(listener.measure.bias - LIFT * listener.measure.weight.sum(1))
    _set(measuring, weight, bias)
    lstm.load_state_dict(listener.lstm.state_dict())
    weight, bias = _zeros(last)
    parts = listener.look.out_channels
    weight[:parts], bias[:parts] = listener.look.weight, listener.look.bias
    _set(last, weight, bias)


def _fill_decoder(decoder: nn.Module, synthesis: Synthesis, parts: int) -> None:
    first, lstm, *growing, last = _parametrised(decoder)
    size = len(synthesis.waveforms)
    weight, bias = _zeros(first)
    weight[range(size), range(parts, parts + size), KERNEL // 2] = 1 / SMALL
    bias[: size + CONSTANTS] = SLOW_LIFT
    _set(first, weight, bias)
    for parameter in lstm.parameters():
        parameter.zero_()
    synthesising, *unfoldings = growing
    ratio, held = RATIOS[0], FRAME // RATIOS[0]
    weight, bias = _zeros(synthesising)
    blocks = synthesis.waveforms.view(size, -1, held)  # from the crossfade on
    end = 2 * ratio - ratio // 2  # of the frame's own samples
    taps = slice(end - blocks.shape[1], end)
    weight[:size, :held, taps] = blocks.transpose(1, 2)
    # The constant channels take off what the lift adds, also where frames overlap, and whatever
    # half precision makes of the weights.
    for constant in range(size, size + CONSTANTS):
        weight[constant] = -_stored(weight[:constant]).sum(0)
    bias[:held] = LIFT
    _set(synthesising, weight, bias)
    for layer, ratio in zip(unfoldings, RATIOS[1:], strict=True):
        held //= ratio
        weight, bias = _zeros(layer)
        before = ratio - ratio // 2
        for tap in range(ratio):
            for channel in range(held):
                weight[tap * held + channel, channel, before + tap] = 1.0
        _set(layer, weight, bias)
    weight, bias = _zeros(last)
    weight[0, 0, last.kernel_size[0] // 2] = 1.0
    bias[0] = -LIFT
    _set(last, weight, bias)


def _parametrised(stack: nn.Module) -> list[nn.Module]:
    """Convolutions and the LSTM, in order; residual blocks are silenced."""
    layers: list[nn.Module] = []
    for layer in stack.layers:
        if hasattr(layer, "conv"):
            layers.append(layer.conv)
        elif hasattr(layer, "lstm"):
            layers.append(layer.lstm)
        elif hasattr(layer, "block"):
            for inner in layer.block:
                if hasattr(inner, "conv"):
                    _set(inner.conv, *_zeros(inner.conv))
    return layers


def _zeros(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(layer.weight), torch.zeros_like(layer.bias)


def _stored(weight: Tensor) -> Tensor:
    """What a weight is once its rows' directions and gains are kept in half precision."""
    gain = weight.flatten(1).norm(dim=1).view(-1, 1, 1).half().float()
    direction = weight.half().float()
    norm = direction.flatten(1).norm(dim=1).view(-1, 1, 1).clamp(min=1e-12)
    return gain * direction / norm


def _set(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Set a convolution whose weights are a direction and a gain, which may be zero."""
    gain = weight.flatten(1).norm(dim=1).view(-1, 1, 1)
    empty = gain.flatten() == 0
    weight = weight.clone()
    weight[empty, :, 0] = 1.0  # some direction
    layer.get_parameter("parametrizations.weight.original1").copy_(weight)
    layer.get_parameter("parametrizations.weight.original0").copy_(gain)
    layer.bias.copy_(bias)
