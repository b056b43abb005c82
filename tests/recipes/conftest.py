import pytest
from tokenizers import Tokenizer

from recipes.nano.sampler import Sampler
from recipes.nano.tokenizer import train_tokenizer
from tests.recipes.banks import tone_bank


@pytest.fixture(scope="session")
def sampler() -> Sampler:
    return Sampler(tone_bank())


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer()
