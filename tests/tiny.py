"""Tiny seeded random models in the transformers layout, written by transformers itself."""

from __future__ import annotations

import atexit
import functools
import json
import math
import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    EncodecConfig,
    EncodecFeatureExtractor,
    GenerationConfig,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    MusicgenMelodyConfig,
    MusicgenMelodyDecoderConfig,
    MusicgenMelodyForConditionalGeneration,
    T5Config,
)

from songloom.models.bands import BandProcessor, ProcessorConfig
from songloom.models.diffusion import Band, MultiBandDiffusion
from songloom.models.diffusion_schedule import PowerSchedule
from songloom.models.diffusion_unet import UNet, UNetConfig

WORDS = (
    "<pad>",
    "</s>",
    "<unk>",
    "warm",
    "felt",
    "piano",
    "slow",
    "fast",
    "drums",
    "bass",
    "in",
    "c",
    "d",
    "minor",
    "major",
    "jazz",
    ",",
    ".",
)
FRAME_RATE = 50
CARD = 64


def tiny_tokenizer() -> Tokenizer:
    """A word-level tokenizer that closes each text with `</s>`, as T5's does."""
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])]
    )
    return tokenizer


def tiny_model(
    folder: Path,
    *,
    melody: bool = False,
    channels: int = 1,
    seed: int = 0,
    hidden_size: int = 32,
    text_size: int = 16,
    layers: int = 2,
    card: int = CARD,
    window_seconds: float = 2.0,
) -> Path:
    """Write a whole model: 32 kHz, 50 frames a second, 4 codebooks of 64 codes a channel."""
    source = _written_once(
        melody, channels, seed, hidden_size, text_size, layers, card, window_seconds
    )
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


@functools.cache
def _written_once(
    melody: bool,
    channels: int,
    seed: int,
    hidden_size: int,
    text_size: int,
    layers: int,
    card: int,
    window_seconds: float,
) -> Path:
    """The files of each kind of model: to copy them is much faster than to make them again."""
    folder = Path(tempfile.mkdtemp(prefix="songloom-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model = tiny_transformers(
        melody=melody,
        channels=channels,
        seed=seed,
        hidden_size=hidden_size,
        text_size=text_size,
        layers=layers,
        card=card,
    )
    model.generation_config = GenerationConfig(
        max_length=int(window_seconds * FRAME_RATE),
        do_sample=True,
        guidance_scale=3.0,
        bos_token_id=card,
        pad_token_id=card,
        decoder_start_token_id=card,
    )
    model.save_pretrained(folder)
    if melody:
        # Written by hand: transformers' class for it wants torchaudio.
        preprocessor = {"feature_extractor_type": "MusicgenMelodyFeatureExtractor"}
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    else:
        extractor = EncodecFeatureExtractor(sampling_rate=32_000, feature_size=channels)
        extractor.save_pretrained(folder)
    write_tiny_tokenizer(folder)
    return folder


def write_tiny_tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def tiny_transformers(
    *,
    melody: bool = False,
    channels: int = 1,
    seed: int = 0,
    hidden_size: int = 32,
    text_size: int = 16,
    layers: int = 2,
    card: int = CARD,
) -> MusicgenForConditionalGeneration | MusicgenMelodyForConditionalGeneration:
    """The model itself, in evaluation mode."""
    model_class, config_class, decoder_class = (
        (MusicgenMelodyForConditionalGeneration, MusicgenMelodyConfig, MusicgenMelodyDecoderConfig)
        if melody
        else (MusicgenForConditionalGeneration, MusicgenConfig, MusicgenDecoderConfig)
    )
    decoder = decoder_class(
        vocab_size=card,
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        ffn_dim=2 * hidden_size,
        num_codebooks=4 * channels,
        audio_channels=channels,
        pad_token_id=card,
        bos_token_id=card,
    )
    text = tiny_t5_config(text_size)
    config = config_class(text_encoder=text, audio_encoder=tiny_codec_config(card), decoder=decoder)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = model_class(config).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            # Large enough that tokens differ, that norms and biases matter, and codes are all used.
            if name.endswith(("bias", "norm.weight", "embed", "embed_avg")):
                tensor.add_(torch.randn_like(tensor) * 0.3)
            elif name.startswith(("decoder", "enc_to", "audio_enc_to")) and tensor.dim() == 2:
                tensor.copy_(torch.randn_like(tensor) * 0.2)
    torch.random.set_rng_state(state)
    return model


def tiny_codec_config(card: int = CARD) -> EncodecConfig:
    return EncodecConfig(
        sampling_rate=32_000,
        audio_channels=1,
        num_filters=4,
        hidden_size=16,
        codebook_size=card,
        upsampling_ratios=[8, 5, 4, 4],
        target_bandwidths=[4 * 50 * math.log2(card) / 1000],
        use_causal_conv=False,
        use_conv_shortcut=False,
        pad_mode="constant",
        num_lstm_layers=2,
    )


def tiny_t5_config(width: int = 16) -> T5Config:
    return T5Config(
        d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=len(WORDS)
    )


def tiny_diffusion(
    condition_size: int = 16,
    sample_rate: int = 32_000,
    bands: int = 2,
    seed: int = 0,
    depth: int = 2,
) -> MultiBandDiffusion:
    """Diffusion with random weights, of few channels: the second band has a processor."""
    shape = UNetConfig(
        hidden=8, depth=depth, growth=2.0, kernel=8, stride=4, condition_size=condition_size
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = []
        for index in range(bands):
            processor = BandProcessor(ProcessorConfig(sample_rate, bands=4, power=0.5))
            processor.mean.copy_(torch.randn(4) * 1e-3)
            processor.deviation.copy_(torch.rand(4) + 0.1)
            processor.noise_deviation.copy_(torch.rand(4) + 0.1)
            band = Band(UNet(shape), PowerSchedule(), processor if index % 2 else None)
            made.append(band)
        return MultiBandDiffusion(made, sample_rate).eval().requires_grad_(False)
