import torch

from recipes.nano.codec.lapped import (
    HOP,
    SPAN,
    cosine_basis,
    overlap_frames,
    split_frames,
)


def test_frames_that_are_transformed_and_back_add_up_to_the_signal():
    audio = torch.randn(2, 12 * HOP, generator=torch.Generator().manual_seed(0))
    basis = cosine_basis()
    output = overlap_frames(split_frames(audio) @ basis @ basis.t())
    inside = slice(HOP, -HOP)
    torch.testing.assert_close(output[:, inside], audio[:, inside], atol=1e-5, rtol=0)


def test_waves_are_orthogonal_within_and_between_frames():
    basis = cosine_basis()
    torch.testing.assert_close(basis.t() @ basis, torch.eye(HOP), atol=1e-5, rtol=0)
    across = basis[HOP:].t() @ basis[:HOP]
    assert across.abs().max() < 1e-5


def test_a_frame_lies_around_its_own_samples():
    audio = torch.zeros(1, 6 * HOP)
    audio[0, 3 * HOP + HOP // 2] = 1.0
    frames = split_frames(audio)
    assert frames.shape == (1, 6, SPAN)
    assert frames[0].abs().amax(1).tolist() == [0, 0, 0, 1, 1, 0] or frames[0, 3, HOP] == 1.0
