"""Pools without FluidSynth: synthesized stems, and mixes of them."""

from random import Random

import numpy as np
import pytest

from recipes.nano.sounds.mixing import draw_mix
from recipes.nano.sounds.pool import PoolSizes, build_pools
from recipes.nano.sounds.sampled import STEM
from recipes.nano.sounds.voices import synthesize_stem

SIZES = PoolSizes(stems_of_a_program=0, beats_of_a_kit=0, synthesized=4, bands=0, mixes=3)


@pytest.fixture(scope="module")
def stems() -> np.ndarray:
    rows = np.stack([synthesize_stem(seed) for seed in range(8)])
    return np.round(rows / np.abs(rows).max(1, keepdims=True) * 32_000).astype(np.int16)


@pytest.mark.parametrize("seed", range(24))
def test_a_stem_is_sound_and_the_same_again(seed):
    stem = synthesize_stem(seed)
    assert stem.shape == (STEM,)
    assert np.isfinite(stem).all()
    assert 1e-3 < np.abs(stem).max() < 50
    if seed % 8 == 0:
        np.testing.assert_array_equal(synthesize_stem(seed), stem)


@pytest.mark.parametrize("seed", range(12))
def test_a_mix_stays_in_range_and_is_the_same_again(stems, seed):
    songs = stems[:2] if seed % 2 else None
    mix = draw_mix(stems, songs, 64_000, Random(seed))
    assert mix.shape == (64_000,)
    assert mix.dtype == np.float32
    assert np.isfinite(mix).all()
    assert np.abs(mix).max() <= 1
    np.testing.assert_array_equal(draw_mix(stems, songs, 64_000, Random(seed)), mix)


def test_pools_are_made_once(tmp_path):
    pools = build_pools(tmp_path, tmp_path / "none.sf2", SIZES)
    assert [pool.shape[0] for pool in pools] == [3, 3]
    assert not np.array_equal(pools[0], pools[1])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    build_pools(tmp_path, tmp_path / "none.sf2", SIZES)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert not list(tmp_path.glob("*.part"))
