import pytest
import torch
from tokenizers import Tokenizer

from recipes.nano.codec.coder import Coder
from recipes.nano.codec.network import FrameCodec
from recipes.nano.sampler import Sampler
from recipes.nano.tokenizer import train_tokenizer
from tests.recipes.banks import tone_bank


@pytest.fixture(scope="session")
def sampler() -> Sampler:
    return Sampler(tone_bank())


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer()


@pytest.fixture(scope="session")
def coder() -> Coder:
    """Codes of a codec that learned nothing: as good as any for what trains on them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = FrameCodec(width=12, latent=6, codebooks=4, size=1024, kernel=3, lifted=12)
        codec.embed.normal_(0, 0.1)
    return Coder(codec)
