"""The text encoder against transformers', on the same random weights."""

import dataclasses

import pytest
import torch
import transformers

from songloom.checkpoints.text_files import text_links
from songloom.models.t5 import T5Config, T5Encoder

SMALL = T5Config(vocab_size=50, d_model=24, d_kv=8, d_ff=40, num_layers=3, num_heads=4)


def pair(config: T5Config) -> tuple[T5Encoder, transformers.T5EncoderModel]:
    torch.manual_seed(4)
    theirs = transformers.T5EncoderModel(transformers.T5Config(**dataclasses.asdict(config))).eval()
    for parameter in theirs.parameters():
        parameter.data.normal_(std=0.5)
    weights, ours = theirs.state_dict(), T5Encoder(config).eval()
    links = text_links(config)
    ours.load_state_dict({link.ours[0]: weights[link.theirs[0]] for link in links})
    return ours, theirs


@pytest.mark.parametrize("feed_forward", ["relu", "gated-gelu"])
@pytest.mark.parametrize("length", [1, 7, 300])
@torch.inference_mode()
def test_states_agree(feed_forward: str, length: int) -> None:
    ours, theirs = pair(dataclasses.replace(SMALL, feed_forward_proj=feed_forward))
    tokens = torch.randint(50, (2, length))
    expected = theirs(input_ids=tokens).last_hidden_state
    torch.testing.assert_close(ours(tokens), expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_distances_matter() -> None:
    ours, _ = pair(SMALL)
    tokens = torch.randint(50, (1, 12))
    assert not torch.allclose(ours(tokens), ours(tokens.flip(1)).flip(1), atol=1e-3)
