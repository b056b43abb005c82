"""Excerpts decode to what their songs decode to."""

import pytest
import torch

from songloom.training.coded_excerpts import cut_excerpt
from tests.models.test_codec import tiny


@pytest.mark.parametrize("start", [0, 70, 170])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_excerpt_sounds_as_in_its_song(start: int, channels: int) -> None:
    codec = tiny(channels)
    draw = torch.Generator().manual_seed(0)
    codes = torch.randint(
        codec.codebook_size, (codec.num_codebooks, 200), generator=draw, dtype=torch.int16
    )
    whole = codec.decode(codes.long())
    samples = whole[:, start * codec.hop : (start + 30) * codec.hop]
    excerpt = cut_excerpt("a", samples, codes, start, codec.hop)
    assert excerpt.codes.shape[1] <= 130
    heard = excerpt.decode(codec)
    assert heard.shape == samples.shape
    assert (heard - samples).abs().max() < 1e-3 * samples.abs().max()
