"""The tagger's spectrogram, beside essentia's."""

import numpy as np
import pytest

from songloom.dataset.tagging.mel import BANDS, PATCH_FRAMES, PATCH_HOP, mel_spectrogram, patches


def sound(samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    random = np.random.default_rng(samples)
    time = np.arange(samples) / 16_000
    return (0.3 * np.sin(700 * time * (1 + time)) + 0.02 * random.standard_normal(samples)).astype(
        np.float32
    )


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 511, 512, 16_000, 20_001])
def test_equals_essentia(samples: int) -> None:
    standard = pytest.importorskip("essentia.standard", reason="essentia is not installed")
    audio = sound(samples)
    theirs = standard.TensorflowInputMusiCNN()
    frames = standard.FrameGenerator(audio, frameSize=512, hopSize=256)
    expected = np.array([theirs(frame) for frame in frames])
    mel = mel_spectrogram(audio)
    assert abs(len(mel) - len(expected)) <= 1  # at the very end, theirs may have one frame less
    shared = min(len(mel), len(expected))
    np.testing.assert_allclose(mel[:shared], expected[:shared], atol=2e-4)


def test_silence_is_zero_and_frames_are_centred() -> None:
    audio = np.zeros(4096, np.float32)
    assert mel_spectrogram(audio).shape == (17, BANDS)
    assert (mel_spectrogram(audio) == 0).all()
    audio[1024] = 1
    assert mel_spectrogram(audio).sum(axis=1).argmax() == 4


@pytest.mark.parametrize(("frames", "count"), [(1, 1), (128, 1), (189, 1), (190, 2), (1000, 15)])
def test_patches(frames: int, count: int) -> None:
    mel = np.arange(frames * BANDS, dtype=np.float32).reshape(frames, BANDS)
    cut = patches(mel)
    assert cut.shape == (count, PATCH_FRAMES, BANDS)
    if count > 1:
        np.testing.assert_array_equal(cut[1], mel[PATCH_HOP : PATCH_HOP + PATCH_FRAMES])
    np.testing.assert_array_equal(cut[0, 0], mel[0])
