"""The trained network, written into EnCodec's layers exactly.

EnCodec's fast convolutions put samples in a row, block by block, until a frame's transform is one
convolution; its residual units are silent. Between the convolutions EnCodec bends all signals with
an ELU, which leaves alone what is above zero; so signals are lifted by a constant, which a later
convolution takes off again.
"""

import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel

from recipes.nano.codec.lapped import BLOCK, HOP, SPAN
from recipes.nano.codec.network import LIFT, FrameCodec
from recipes.nano.compose.theory import SAMPLE_RATE

RATIOS = (
    4,
    4,
    4,
    5,
    2,
)  # of the decoder, slowest first; all but the first put BLOCK samples in a row
CONSTANTS = (
    2  # channels that take off the lift of samples, the second what the first's rounding leaves
)
KERNEL = 7  # of the first convolutions, where one tap is used
LEAST_BITS = 10  # of a code: transformers counts codebooks as if they had so many
SAMPLE_LIFT = 4.0  # of samples, which lie within -1..1 and a little beyond


def encodec_config(codec: FrameCodec) -> EncodecConfig:
    """The layout: 32 kHz mono, 50 frames a second.

    Raises:
        ValueError: width, kernel or codebooks do not fit the layout.
    """
    codebooks, size, latent = codec.embed.shape
    width, levels = codec.analysis.out_features + CONSTANTS, 2 ** len(RATIOS)
    if width % levels or width < 2 * BLOCK:
        raise ValueError(
            f"width {width - CONSTANTS} plus {CONSTANTS} is not a multiple of {levels} of at least "
            f"{2 * BLOCK}"
        )
    if codec.from_latents.kernel_size[0] != KERNEL:
        raise ValueError(f"the kernel is {codec.from_latents.kernel_size[0]}, not {KERNEL}")
    bits = (size - 1).bit_length()
    if bits < LEAST_BITS:
        raise ValueError(
            f"{size} codes are fewer than {2**LEAST_BITS}: stock EnCodec miscounts them"
        )
    return EncodecConfig(
        sampling_rate=SAMPLE_RATE,
        audio_channels=1,
        normalize=False,
        num_filters=width // levels,
        num_residual_layers=1,  # at least one is expected; here they add nothing
        residual_kernel_size=1,
        compress=width // levels,
        use_conv_shortcut=False,
        num_lstm_layers=1,
        upsampling_ratios=list(RATIOS),
        kernel_size=KERNEL,
        last_kernel_size=KERNEL,
        hidden_size=latent,
        codebook_dim=latent,
        codebook_size=size,
        use_causal_conv=False,
        norm_type="weight_norm",
        pad_mode="reflect",
        target_bandwidths=[codebooks * bits * SAMPLE_RATE / HOP / 1000],
    )


@torch.no_grad()
def export_codec(codec: FrameCodec) -> EncodecModel:
    """EnCodec with the weights that do the same."""
    network = EncodecModel(encodec_config(codec))
    _fill_encoder(network.encoder, codec)
    _fill_decoder(network.decoder, codec)
    for layer, vectors in zip(network.quantizer.layers, codec.embed, strict=True):
        layer.codebook.embed.copy_(vectors)
        layer.codebook.embed_avg.zero_()  # of training; here it would only take room
        layer.codebook.cluster_size.fill_(1.0)
    return network.eval()


def _fill_encoder(encoder: nn.Module, codec: FrameCodec) -> None:
    first, *folding, framing, lstm, last = _list_layers(encoder)
    weight, bias = _zeros(first)
    weight[0, 0, KERNEL // 2] = 1.0
    bias[0] = SAMPLE_LIFT
    _set(first, weight, bias)
    held = 1  # samples that stand side by side in the channels
    for layer, ratio in zip(folding, RATIOS[:0:-1], strict=True):
        weight, bias = _zeros(layer)
        before = ratio - ratio // 2  # of the padding
        for tap in range(ratio):
            for channel in range(held):
                weight[tap * held + channel, channel, before + tap] = 1.0
        held *= ratio
        _set(layer, weight, bias)
    width, lift = codec.analysis.out_features, codec.encoder_lift
    weight, bias = _zeros(framing)
    weight[:width, :BLOCK] = codec.analysis.weight.view(width, -1, BLOCK).transpose(1, 2)
    bias[:width] = codec.analysis.bias - SAMPLE_LIFT * codec.analysis.weight.sum(1) + lift
    _set(framing, weight, bias)
    _fill_lstm(lstm, codec.encoder_lstm, lift)
    weight, bias = _zeros(last)
    weight[:, :width] = codec.to_latents.weight
    bias.copy_(codec.to_latents.bias - _store(weight)[:, :width].sum(2) @ lift)
    _set(last, weight, bias)


def _fill_decoder(decoder: nn.Module, codec: FrameCodec) -> None:
    first, lstm, framing, *unfolding, last = _list_layers(decoder)
    width = codec.synthesis.in_features
    weight, bias = _zeros(first)
    weight[:width] = codec.from_latents.weight
    bias[:width] = codec.from_latents.bias + LIFT
    bias[width:] = LIFT
    _set(first, weight, bias)
    _fill_lstm(lstm, codec.decoder_lstm, torch.full((width,), LIFT))
    weight, bias = _zeros(framing)
    blocks = codec.synthesis.weight.t().view(width, SPAN // BLOCK, BLOCK)
    weight[:width, :BLOCK] = blocks.transpose(1, 2)
    # The constant channels take off what the lift adds, also where frames overlap, and whatever
    # half precision makes of the weights.
    for constant in range(width, width + CONSTANTS):
        weight[constant] = -_store(weight[:constant]).sum(0)
    bias[:BLOCK] = SAMPLE_LIFT
    _set(framing, weight, bias)
    held = BLOCK
    for layer, ratio in zip(unfolding, RATIOS[1:], strict=True):
        held //= ratio
        weight, bias = _zeros(layer)
        before = ratio - ratio // 2
        for tap in range(ratio):
            for channel in range(held):
                weight[tap * held + channel, channel, before + tap] = 1.0
        _set(layer, weight, bias)
    weight, bias = _zeros(last)
    weight[0, 0, KERNEL // 2] = 1.0
    bias[0] = -SAMPLE_LIFT
    _set(last, weight, bias)


def _fill_lstm(target: nn.LSTM, source: nn.LSTM, lift: Tensor) -> None:
    """Copy an LSTM into a wider one whose input is lifted; what is added stays out of it."""
    width, wide = source.hidden_size, target.hidden_size
    for parameter in target.parameters():
        parameter.zero_()
    for gate in range(4):
        rows = slice(gate * wide, gate * wide + width)
        of_source = slice(gate * width, (gate + 1) * width)
        for name in ("weight_ih_l0", "weight_hh_l0"):
            getattr(target, name)[rows, :width] = getattr(source, name)[of_source]
        lifted = source.weight_ih_l0[of_source].half().float() @ lift
        target.bias_ih_l0[rows] = source.bias_ih_l0[of_source] - lifted
        target.bias_hh_l0[rows] = source.bias_hh_l0[of_source]


def _list_layers(stack: nn.Module) -> list[nn.Module]:
    """Convolutions and the LSTM, in order; residual units are silenced."""
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


def _store(weight: Tensor) -> Tensor:
    """A weight as it is once its rows' directions and gains are kept in half precision."""
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
