"""Pack the trained parts in transformers' MusicGen-Melody layout, in half precision."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    EncodecModel,
    GenerationConfig,
    MusicgenMelodyConfig,
    MusicgenMelodyDecoderConfig,
    MusicgenMelodyForConditionalGeneration,
)

from recipes.nano.codec.lapped import HOP as CODEC_HOP
from recipes.nano.compose.theory import FRAME, FRAME_RATE, SAMPLE_RATE
from recipes.nano.model import CHROMA_BINS, NanoModel
from recipes.nano.tokenizer import save_tokenizer
from songloom.models.chroma import HOP, WINDOW
from songloom.models.lm import LM, Block

GUIDANCE = 3.0
MODEL_CARD = Path(__file__).parent / "model_card.md"


def pack(
    folder: Path, model: NanoModel, codec: EncodecModel, tokenizer: Tokenizer, clip_frames: int
) -> None:
    """Write the model folder, whole or not at all; an older one there is replaced."""
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    packed = assemble(model, codec, clip_frames)
    packed.half().save_pretrained(unfinished)
    (unfinished / "model.safetensors").chmod(0o644)
    _compute_in_float32(unfinished / "config.json")
    save_tokenizer(tokenizer, unfinished)
    (unfinished / "preprocessor_config.json").write_text(
        json.dumps(_preprocessor(clip_frames), indent=2) + "\n"
    )
    shutil.copy(MODEL_CARD, unfinished / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def assemble(
    model: NanoModel, codec: EncodecModel, clip_frames: int
) -> MusicgenMelodyForConditionalGeneration:
    """Stock transformers' model with our weights."""
    lm = model.lm.config
    special = lm.special_token
    decoder = MusicgenMelodyDecoderConfig(
        vocab_size=lm.codebook_size,
        max_position_embeddings=2048,
        num_hidden_layers=lm.num_layers,
        ffn_dim=lm.ffn_size,
        num_attention_heads=lm.num_heads,
        hidden_size=lm.hidden_size,
        dropout=0.0,
        num_codebooks=lm.num_codebooks,
        audio_channels=1,
        pad_token_id=special,
        bos_token_id=special,
    )
    config = MusicgenMelodyConfig(
        text_encoder=model.text_encoder.config.to_dict(),
        audio_encoder=codec.config.to_dict(),
        decoder=decoder.to_dict(),
        num_chroma=CHROMA_BINS,
        chroma_length=lm.chroma_frames,
    )
    packed = MusicgenMelodyForConditionalGeneration(config)
    packed.text_encoder.load_state_dict(model.text_encoder.state_dict())
    packed.audio_encoder.load_state_dict(codec.state_dict())
    missing, unexpected = packed.load_state_dict(_renamed(model.lm), strict=False)
    left = [name for name in missing if not name.startswith(("text_encoder.", "audio_encoder."))]
    if left or unexpected:
        raise RuntimeError(f"the layouts differ: {left} are not set, {unexpected} have no place")
    packed.generation_config = GenerationConfig(
        do_sample=True,
        guidance_scale=GUIDANCE,
        max_length=clip_frames * FRAME // CODEC_HOP,
        top_k=250,
        pad_token_id=special,
        bos_token_id=special,
        decoder_start_token_id=special,
    )
    return packed.eval()


def _renamed(lm: LM) -> dict[str, Tensor]:
    """The weights under transformers' names; fused projections come apart."""
    stack = "decoder.model.decoder."
    weights: dict[str, Tensor] = {
        f"{stack}embed_tokens.{name}": weight for name, weight in lm.embeddings.named_parameters()
    }
    heads = lm.heads.weight.chunk(lm.config.num_codebooks)
    weights |= {f"decoder.lm_heads.{k}.weight": head for k, head in enumerate(heads)}
    for i, block in enumerate(cast("Iterable[Block]", lm.blocks)):
        layer = f"{stack}layers.{i}."
        for name, weight in zip("qkv", block.attention.qkv.weight.chunk(3), strict=True):
            weights[f"{layer}self_attn.{name}_proj.weight"] = weight
        weights[f"{layer}self_attn.out_proj.weight"] = block.attention.out.weight
        weights[f"{layer}fc1.weight"] = block.ffn_in.weight
        weights[f"{layer}fc2.weight"] = block.ffn_out.weight
        norms = (
            (block.attention_norm, "self_attn_layer_norm"),
            (block.ffn_norm, "final_layer_norm"),
        )
        for norm, name in norms:
            for part, weight in norm.named_parameters():
                weights[f"{layer}{name}.{part}"] = weight
    named = {
        f"{stack}layer_norm": lm.norm,
        "enc_to_dec_proj": lm.text_projection,
        "audio_enc_to_dec_proj": lm.chroma_projection,
    }
    for name, module in named.items():
        if module is not None:
            weights |= {f"{name}.{part}": weight for part, weight in module.named_parameters()}
    return {name: weight.detach() for name, weight in weights.items()}


def _compute_in_float32(path: Path) -> None:
    """Half precision is for storage: who loads the folder as it is computes in float32."""
    config = json.loads(path.read_text())
    for part in (config, config["text_encoder"], config["audio_encoder"], config["decoder"]):
        part["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _preprocessor(clip_frames: int) -> dict[str, object]:
    """For transformers' chroma extractor; by hand, since making one takes torchaudio."""
    return {
        "feature_extractor_type": "MusicgenMelodyFeatureExtractor",
        "processor_class": "MusicgenMelodyProcessor",
        "chunk_length": clip_frames // FRAME_RATE,
        "feature_size": CHROMA_BINS,
        "hop_length": HOP,
        "n_fft": WINDOW,
        "num_chroma": CHROMA_BINS,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
        "sampling_rate": SAMPLE_RATE,
        "stem_indices": [3, 2],
    }


@torch.no_grad()
def verify(folder: Path, model: NanoModel) -> float:
    """Load a packed folder with stock transformers; the largest difference of its logits to ours.

    Ours are rounded to half precision first, as the packed ones are.

    Raises:
        RuntimeError: a weight is missing, or there is one too many.
    """
    packed, report = MusicgenMelodyForConditionalGeneration.from_pretrained(
        folder, output_loading_info=True
    )
    problems = ("missing_keys", "unexpected_keys", "mismatched_keys")
    wrong = {problem: sorted(report[problem]) for problem in problems}
    if any(wrong.values()):
        raise RuntimeError(f"transformers does not find in {folder} what it expects: {wrong}")
    rounded = NanoModel(model.settings)
    rounded.load_state_dict({k: v.half().float() for k, v in model.state_dict().items()})
    rounded.eval()
    lm = rounded.lm.config
    text = torch.tensor([[5, 6, 7, 1]])
    tokens = torch.randint(lm.codebook_size, (1, lm.num_codebooks, 20))
    chroma = torch.zeros(1, lm.chroma_frames, CHROMA_BINS)
    chroma[..., 3] = 1
    ours = rounded(tokens, text, torch.tensor([True]), chroma)[0]
    theirs = packed(
        input_ids=text,
        attention_mask=torch.ones_like(text),
        input_features=chroma,
        decoder_input_ids=tokens[0],
    ).logits
    return float((ours - theirs[:, -tokens.shape[-1] :]).abs().max())
