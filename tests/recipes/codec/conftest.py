import numpy as np
import pytest

from recipes.nano.codec.fit import Fit, FitSettings, fit_codec
from recipes.nano.codec.network import FrameCodec
from recipes.nano.codec.start import start_codec
from tests.recipes.codec.sounds import draw_mixes

SETTINGS = FitSettings(components=24, bands=8, size=1024, sample=4000)


@pytest.fixture(scope="package")
def mixes() -> np.ndarray:
    return draw_mixes(16)


@pytest.fixture(scope="package")
def fit(mixes: np.ndarray) -> Fit:
    return fit_codec(mixes, SETTINGS)


@pytest.fixture(scope="package")
def started(fit: Fit, mixes: np.ndarray) -> FrameCodec:
    return start_codec(fit, width=318, kernel=7, mixes=mixes).requires_grad_(False)
