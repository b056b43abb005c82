"""The delay pattern: golden values, and that nothing is lost."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from songloom.models.delay import (
    apply_delay,
    delays_for,
    sequence_length,
    undo_delay,
)
from tests.golden_values import golden_folder


def test_delays_of_mono_and_stereo() -> None:
    assert delays_for(4, 1) == (0, 1, 2, 3)
    assert delays_for(8, 2) == (0, 0, 1, 1, 2, 2, 3, 3)


def test_golden_sequences() -> None:
    golden = load_file(golden_folder() / "audio" / "delay.safetensors")
    for codebooks, channels in ((4, 1), (8, 2)):
        delays = delays_for(codebooks, channels)
        delayed = apply_delay(golden[f"codes{codebooks}"], delays, special=99)
        assert torch.equal(delayed, golden[f"delayed{codebooks}"])
        assert torch.equal(undo_delay(delayed, delays), golden[f"codes{codebooks}"])


@given(
    frames=st.integers(1, 40),
    delays=st.lists(st.integers(0, 7), min_size=1, max_size=8).map(tuple),
)
def test_undoing_gives_back_the_codes(frames: int, delays: tuple[int, ...]) -> None:
    codes = torch.arange(2 * len(delays) * frames).view(2, len(delays), frames)
    delayed = apply_delay(codes, delays, special=-5)
    assert delayed.shape[-1] == sequence_length(frames, delays)
    assert torch.equal(undo_delay(delayed, delays), codes)
    assert int((delayed == -5).sum()) == delayed.numel() - codes.numel()
