import pytest

from recipes.nano.sampler import Sampler
from tests.recipes.banks import tone_bank


@pytest.fixture(scope="session")
def sampler() -> Sampler:
    return Sampler(tone_bank())
