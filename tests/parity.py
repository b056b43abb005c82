"""The same input to our language model and to that of transformers."""

from __future__ import annotations

import torch

from songloom.checkpoints.components import Components
from tests.tiny import CARD


def lm_and_transformers_logits(
    components: Components, reference: torch.nn.Module, melody: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, K, S, V) of both for the same random tokens, text and chroma."""
    lm, config = components.lm, components.lm.config
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, CARD + 1, (2, config.num_codebooks, 9), generator=generator)
    states = torch.randn(2, 5, config.text_size, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    chroma = torch.eye(12)[torch.randint(0, 12, (2, 20), generator=generator)]
    with torch.inference_mode():
        common = {
            "decoder_input_ids": tokens.flatten(0, 1),
            "encoder_outputs": (states,),
            "attention_mask": mask,
        }
        if melody:
            ours = lm(tokens, prefix=lm.prefix(states, mask, chroma))
            prefix_states = reference.enc_to_dec_proj(states) * mask[..., None]
            filled = chroma.repeat(1, 12, 1)[:, : config.chroma_frames]
            prefix = torch.cat([reference.audio_enc_to_dec_proj(filled), prefix_states], dim=1)
            theirs = reference.decoder(
                input_ids=tokens.flatten(0, 1), encoder_hidden_states=prefix
            ).logits[:, prefix.shape[1] :]
        else:
            ours = lm(tokens, cross=lm.cross_states(states, mask))
            theirs = reference(**common).logits
    return ours, theirs.view(2, config.num_codebooks, 9, CARD)
