"""Adapters with decoders of their own, for tests."""

from pathlib import Path

import torch

from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.codec_decoder import write_codec_decoder
from songloom.checkpoints.load import load_components
from songloom.models.encodec import plain_weights
from songloom.models.lora import LoraConfig, add_lora, lora_state
from songloom.training.decoder_adaptation import tuned_names


def tuned_adapter(folder: Path, base: Path, seed: int | None) -> Path:
    """An adapter that changes no token; with a seed, it has a decoder of its own."""
    components = load_components(base)
    lm, codec = components.lm, components.codec
    config = LoraConfig(rank=2)
    add_lora(lm, config)  # whose product is nothing yet
    write_adapter(folder, lora_state(lm), config, lm.config, str(base))
    if seed is not None:
        decoder, draw = codec.encodec.decoder, torch.Generator().manual_seed(seed)
        tensors = plain_weights(decoder, tuned_names(decoder))
        noisy = {n: t + 0.1 * torch.randn(t.shape, generator=draw) for n, t in tensors.items()}
        write_codec_decoder(folder, noisy, codec.fingerprint())
    return folder
