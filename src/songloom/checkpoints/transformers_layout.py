"""Folders in the transformers MusicGen or MusicGen-Melody layout: songloom's own format.

`config.json`, `model.safetensors` (or shards, or `pytorch_model.bin`), `generation_config.json`,
`preprocessor_config.json` and a tokenizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from songloom.checkpoints.codec_files import check_codebooks, codec_from
from songloom.checkpoints.components import Components, ModelInfo
from songloom.checkpoints.configs import parse_config, read_json
from songloom.checkpoints.text_files import text_encoder_from
from songloom.checkpoints.weights import Link, Weights, fill, open_weights, same
from songloom.errors import ModelError
from songloom.models.delay import delays_for
from songloom.models.lm import LM, LMConfig

MUSICGEN, MELODY = "musicgen", "musicgen_melody"
DEFAULT_WINDOW_SECONDS = 30.0
_LM_PREFIXES = ("decoder.", "enc_to_dec_proj.", "audio_enc_to_dec_proj.")


def read_components(
    folder: Path,
    name: str,
    licence: str,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
) -> Components:
    """Read a whole model.

    Args:
        folder: the model's folder.
        name: what the model is called in messages.
        licence: what its weights may be used for.
        device: where the tensors go.
        dtype: precision of the language model; None keeps the file's.
        module_dtype: precision of the codec and the text encoder; None keeps the file's.

    Raises:
        ModelError: a file is missing, broken, or of a kind that is not supported.
    """
    config = read_json(folder / "config.json")
    parts = {part: _section(folder, config, part) for part in ("text_encoder", "audio_encoder")}
    lm_config = read_lm_config(folder, config)
    weights = open_weights(folder)
    lm = read_lm(lm_config, weights, device, dtype)
    channels = int(_section(folder, config, "decoder").get("audio_channels", 1))
    codec = codec_from(
        parts["audio_encoder"], weights, "audio_encoder.", channels, device, module_dtype
    )
    check_codebooks(codec, lm_config, folder)
    text = text_encoder_from(
        folder, parts["text_encoder"], weights, "text_encoder.", device, module_dtype
    )
    info = ModelInfo(
        name=name,
        path=folder,
        licence=licence,
        channels=channels,
        sample_rate=codec.sample_rate,
        frame_rate=codec.frame_rate,
        melody=lm_config.melody,
        window_seconds=_window_seconds(folder, codec.frame_rate),
        parameters=sum(p.numel() for p in lm.parameters()),
    )
    return Components(lm, codec, text, info)


def read_lm_config(folder: Path, config: dict[str, Any]) -> LMConfig:
    """Shape of the language model from the content of `config.json`.

    Raises:
        ModelError: it is another kind of model, or a variant that songloom has no code for.
    """
    from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig
    from transformers.models.t5.configuration_t5 import T5Config

    path = folder / "config.json"
    kind = config.get("model_type")
    if kind not in (MUSICGEN, MELODY):
        raise ModelError(
            f"{path} describes a model of type {kind!r}, but {MUSICGEN!r} or {MELODY!r} was "
            "expected; choose a MusicGen model"
        )
    # The melody decoder's configuration has the same fields and defaults.
    section = {**_section(folder, config, "decoder"), "model_type": "musicgen_decoder"}
    decoder = parse_config(MusicgenDecoderConfig, section, path)
    text = parse_config(T5Config, _section(folder, config, "text_encoder"), path)
    for key, expected in (
        ("activation_function", "gelu"),
        ("scale_embedding", False),
        ("tie_word_embeddings", False),
        ("cross_attention_hidden_size", None),
    ):
        found = getattr(decoder, key, expected)
        if found != expected:
            raise ModelError(
                f"{path}: decoder.{key} is {found!r}, but only {expected!r} is supported; "
                "choose a model of the official shapes"
            )
    if decoder.hidden_size % decoder.num_attention_heads:
        raise ModelError(
            f"{path}: decoder.hidden_size is {decoder.hidden_size}, but must be a multiple of "
            f"num_attention_heads ({decoder.num_attention_heads}); copy the model again"
        )
    melody = kind == MELODY
    return LMConfig(
        num_codebooks=decoder.num_codebooks,
        codebook_size=decoder.vocab_size,
        hidden_size=decoder.hidden_size,
        num_layers=decoder.num_hidden_layers,
        num_heads=decoder.num_attention_heads,
        ffn_size=decoder.ffn_dim,
        delays=delays_for(decoder.num_codebooks, decoder.audio_channels),
        text_size=text.d_model,
        cross_attention=not melody,
        chroma_bins=int(config.get("num_chroma", 12)) if melody else 0,
        chroma_frames=int(config.get("chroma_length", 235)) if melody else 0,
    )


def read_lm(
    config: LMConfig, weights: Weights, device: torch.device, dtype: torch.dtype | None
) -> LM:
    """The language model from a file with transformers' names.

    Raises:
        ModelError: a weight is missing, left over, or of another shape.
    """
    if config.melody and config.chroma_bins == config.hidden_size:
        raise ModelError(
            f"{weights.source}: chroma and language model both have width {config.hidden_size}, "
            "which leaves no projection between them in this layout; choose another model"
        )
    with torch.device("meta"):
        lm = LM(config)
        if has_no_text_projection(config):
            lm.text_projection = torch.nn.Identity()  # type: ignore[assignment]
    links = lm_links(config)
    fill(lm, links, weights, device, dtype)
    if has_no_text_projection(config):
        lm.text_projection = identity_projection(config, device, lm.norm.weight.dtype)
    known = {name for link in links for name in link.theirs}
    known.add("decoder.model.decoder.embed_positions.weights")  # older files hold this constant
    weights.refuse_leftovers(known, _LM_PREFIXES)
    return lm.eval()


def has_no_text_projection(config: LMConfig) -> bool:
    """Whether transformers has no projection of the text states, their width being right."""
    return config.text_size == config.hidden_size


def identity_projection(
    config: LMConfig, device: torch.device, dtype: torch.dtype
) -> torch.nn.Linear:
    """A projection that changes nothing."""
    width = config.hidden_size
    linear = torch.nn.Linear(width, width, device="meta")
    linear.weight = torch.nn.Parameter(torch.eye(width, device=device, dtype=dtype))
    linear.bias = torch.nn.Parameter(torch.zeros(width, device=device, dtype=dtype))
    return linear


def lm_links(config: LMConfig) -> list[Link]:
    """Names of the language model's tensors in transformers' files."""
    decoder = "decoder.model.decoder."
    books = range(config.num_codebooks)
    links = [same(f"embeddings.{k}.weight", f"{decoder}embed_tokens.{k}.weight") for k in books]
    links.append(Link(("heads.weight",), tuple(f"decoder.lm_heads.{k}.weight" for k in books)))
    for i in range(config.num_layers):
        links += _block_links(f"blocks.{i}.", f"{decoder}layers.{i}.", config.cross_attention)
    renamed = [("norm", f"{decoder}layer_norm")]
    if not has_no_text_projection(config):
        renamed.append(("text_projection", "enc_to_dec_proj"))
    if config.melody:
        renamed.append(("chroma_projection", "audio_enc_to_dec_proj"))
    return links + [link for ours, theirs in renamed for link in weight_and_bias(ours, theirs)]


def weight_and_bias(ours: str, theirs: str) -> list[Link]:
    """Links of a layer that has both."""
    return [same(f"{ours}.{leaf}", f"{theirs}.{leaf}") for leaf in ("weight", "bias")]


def _block_links(ours: str, theirs: str, cross_attention: bool) -> list[Link]:
    heard = [f"{theirs}self_attn.{part}_proj.weight" for part in "qkv"]
    links = [
        Link((f"{ours}attention.qkv.weight",), tuple(heard)),
        same(f"{ours}attention.out.weight", f"{theirs}self_attn.out_proj.weight"),
        same(f"{ours}ffn_in.weight", f"{theirs}fc1.weight"),
        same(f"{ours}ffn_out.weight", f"{theirs}fc2.weight"),
        *weight_and_bias(f"{ours}attention_norm", f"{theirs}self_attn_layer_norm"),
        *weight_and_bias(f"{ours}ffn_norm", f"{theirs}final_layer_norm"),
    ]
    if cross_attention:
        text = f"{theirs}encoder_attn."
        links += [
            same(f"{ours}cross.q.weight", f"{text}q_proj.weight"),
            Link((f"{ours}cross.kv.weight",), (f"{text}k_proj.weight", f"{text}v_proj.weight")),
            same(f"{ours}cross.out.weight", f"{text}out_proj.weight"),
            *weight_and_bias(f"{ours}cross_norm", f"{theirs}encoder_attn_layer_norm"),
        ]
    return links


def _section(folder: Path, config: dict[str, Any], part: str) -> dict[str, Any]:
    section = config.get(part)
    if not isinstance(section, dict):
        raise ModelError(
            f"{folder / 'config.json'} has no section {part!r}, which a MusicGen model has; "
            "copy or download the model again"
        )
    return section


def _window_seconds(folder: Path, frame_rate: float) -> float:
    path = folder / "generation_config.json"
    if not path.is_file():
        return DEFAULT_WINDOW_SECONDS
    frames = read_json(path).get("max_length")
    return frames / frame_rate if isinstance(frames, int) and frames > 0 else DEFAULT_WINDOW_SECONDS
