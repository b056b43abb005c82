"""The codec in pieces equals the codec at once."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.models.encodec import Encodec, EncodecConfig


def tiny(channels: int = 1, pad_mode: str = "reflect", layers: int = 1) -> Codec:
    torch.manual_seed(1)
    config = EncodecConfig(
        sampling_rate=8000,
        audio_channels=1,
        normalize=False,
        num_filters=4,
        num_lstm_layers=2,
        num_residual_layers=layers,
        upsampling_ratios=(5, 4, 2),
        hidden_size=16,
        codebook_size=32,
        codebook_dim=16,
        use_causal_conv=False,
        norm_type="weight_norm",
        pad_mode=pad_mode,
        target_bandwidths=(4.0,),
    )
    model = Encodec(config)
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_()
    return Codec(model, channels)


def noise(channels: int, samples: int) -> torch.Tensor:
    return torch.randn(channels, samples, generator=torch.Generator().manual_seed(2)) * 0.3


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize("layers", [1, 2])
def test_matches_the_network_at_once(pad_mode: str, layers: int) -> None:
    codec = tiny(pad_mode=pad_mode, layers=layers)
    wav = noise(1, 3217)
    with torch.inference_mode():
        latents = codec.encodec.encoder(wav[None])
        expected = codec.quantize(latents)
        samples = codec.encodec.decoder(codec.latents(expected))[0]
    assert torch.equal(codec.encode(wav), expected)
    torch.testing.assert_close(codec.decode(expected), samples, atol=1e-5, rtol=0)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 90),
    cuts=st.lists(st.integers(0, 90), max_size=6),
    channels=st.sampled_from([1, 2]),
)
def test_decoding_in_any_pieces_gives_the_whole(
    frames: int, cuts: list[int], channels: int
) -> None:
    codec = tiny(channels)
    generator = torch.Generator().manual_seed(frames)
    codes = torch.randint(0, 32, (codec.num_codebooks, frames), generator=generator)
    edges = [0, *sorted(min(cut, frames) for cut in cuts), frames]
    pieces = [codes[:, a:b] for a, b in itertools.pairwise(edges) if b > a]
    joined = torch.cat(list(codec.decode_stream(pieces)), dim=-1)
    assert joined.shape == (channels, frames * codec.hop)
    torch.testing.assert_close(joined, codec.decode(codes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("samples", [1, 39, 40, 41, 12_345])
def test_long_audio_is_encoded_in_pieces_like_the_whole(
    samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, wav = tiny(2), noise(2, samples)
    whole = codec.encode(wav)
    assert whole.shape == (codec.num_codebooks, -(-samples // codec.hop))
    monkeypatch.setattr("songloom.models.codec.PIECE_SECONDS", 0.05)
    assert torch.equal(codec.encode(wav), whole)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1, 3000),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    channels=st.sampled_from([1, 2]),
)
def test_encoding_in_any_pieces_gives_the_whole(
    samples: int, cuts: list[int], channels: int
) -> None:
    codec, wav = tiny(channels), noise(channels, samples)
    edges = [0, *sorted(min(cut, samples) for cut in cuts), samples]
    pieces = [wav[:, a:b] for a, b in itertools.pairwise(edges) if b > a]
    assert torch.equal(torch.cat(list(codec.encode_stream(pieces)), dim=-1), codec.encode(wav))


def test_the_fingerprint_tells_codecs_apart_that_code_differently() -> None:
    codec = tiny()
    fingerprint = codec.fingerprint()
    assert fingerprint == tiny().fingerprint()
    assert fingerprint != tiny(2).fingerprint()
    with torch.no_grad():
        next(codec.encodec.decoder.parameters()).add_(1)
        assert codec.fingerprint() == fingerprint
        next(codec.encodec.encoder.parameters()).add_(1)
    assert codec.fingerprint() != fingerprint


def test_stereo_interleaves_left_and_right() -> None:
    codec, mono = tiny(2), tiny(1)
    wav = noise(2, 800)
    codes = codec.encode(wav)
    assert torch.equal(codes[0::2], mono.encode(wav[:1]))
    assert torch.equal(codes[1::2], mono.encode(wav[1:]))
    decoded = codec.decode(codes)
    torch.testing.assert_close(decoded[1:], mono.decode(codes[1::2]), atol=1e-6, rtol=0)


def test_folding_the_weight_norm_changes_nothing() -> None:
    codec, wav = tiny(), noise(1, 1000)
    codes = codec.encode(wav)
    before = codec.decode(codes)
    codec.fold_weight_norm()
    assert torch.equal(codec.encode(wav), codes)
    torch.testing.assert_close(codec.decode(codes), before, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "other",
    [{"normalize": True}, {"audio_channels": 2}, {"use_causal_conv": True}, {"norm_type": "none"}],
)
def test_other_codecs_are_refused(other: dict[str, object]) -> None:
    fields = {"num_filters": 2, "use_causal_conv": False, **other}
    with pytest.raises(ModelError, match=next(iter(other))):
        Codec(Encodec(EncodecConfig(**fields)))  # type: ignore[arg-type]
