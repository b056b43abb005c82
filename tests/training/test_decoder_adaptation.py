"""Tuning a decoder: nearer to the songs, not much worse on all else, the same when resumed."""

from pathlib import Path

import pytest
import torch

from songloom.errors import Cancelled
from songloom.models.codec import Codec
from songloom.models.encodec import Decoder, plain_weights, set_plain_weights
from songloom.progress import DecoderProgress, ProgressEvent
from songloom.training import decoder_adaptation
from songloom.training.coded_excerpts import CodedExcerpt, cut_excerpt
from songloom.training.decoder_adaptation import (
    AdaptationResult,
    DecoderAdaptation,
    is_small,
    tuned_names,
)
from songloom.training.decoder_state import DECODER_STATE
from songloom.training.sound_loss import sound_loss
from songloom.training.synthetic_sounds import make_sounds
from tests.models.test_codec import tiny

RATE = 8000
SONGS = 3


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_adaptation, "STEPS", 12)
    monkeypatch.setattr(decoder_adaptation, "MEASURE_EVERY", 4)
    monkeypatch.setattr(decoder_adaptation, "LEARNING_RATE", 0.02)


def excerpts(codec: Codec) -> list[CodedExcerpt]:
    """Of songs that are what the decoder makes of random codes, but at another level."""
    draw = torch.Generator().manual_seed(0)
    made = []
    for number in range(SONGS):
        shape = (codec.num_codebooks, 260)
        codes = torch.randint(codec.codebook_size, shape, generator=draw, dtype=torch.int16)
        sound = 3 * codec.decode(codes.long())
        start, end = 20, 240
        samples = sound[:, start * codec.hop : end * codec.hop]
        made.append(cut_excerpt(f"song {number}", samples, codes, start, codec.hop))
    return made


def adaptation(codec: Codec, folder: Path, seed: int = 0) -> DecoderAdaptation:
    songs = excerpts(codec)
    return DecoderAdaptation(codec, songs[:-1], songs[-1:], seed, folder, f"same {seed}")


def weights(result: AdaptationResult) -> dict[str, torch.Tensor]:
    assert result.decoder is not None
    return {name: tensor.clone() for name, tensor in result.decoder.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_music_that_was_held_out_sounds_nearer(tmp_path: Path, channels: int) -> None:
    codec = tiny(channels)
    before = {name: tensor.clone() for name, tensor in codec.encodec.state_dict().items()}
    events: list[ProgressEvent] = []
    result = adaptation(codec, tmp_path).run(events.append)
    assert result.after < 0.95 * result.before
    assert [event.step for event in events if isinstance(event, DecoderProgress)] == [*range(1, 13)]
    after = codec.encodec.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    names = tuned_names(codec.encodec.decoder)
    assert result.decoder is not None
    tuned, old = (plain_weights(d, names) for d in (result.decoder, codec.encodec.decoder))
    assert all(not torch.equal(tuned[name], old[name]) for name in names)
    layers = tuple(name.rpartition(".")[0] for name in names)
    for name, tensor in result.decoder.named_parameters():
        if not name.startswith(layers) or "bias" in name:
            assert torch.equal(tensor, before[f"decoder.{name}"])
    # A constant that all inputs have comes out as it did.
    change = tuned[names[1]] - old[names[1]]
    assert change.sum(1).abs().max() < 1e-3 * change.abs().sum(1).max()
    held_out = excerpts(codec)[-1]
    old, new = held_out.decode(codec), held_out.decode(codec.with_decoder(result.decoder))
    losses = [sound_loss(heard, held_out.samples, RATE)[0] for heard in (old, new)]
    assert losses[1] < losses[0]


def test_codes_stay_what_they_were() -> None:
    codec = tiny()
    tuned = codec.with_decoder(louder_decoder(codec))
    sound = make_sounds(RATE)[0][None]
    assert torch.equal(tuned.encode(sound), codec.encode(sound))
    assert tuned.fingerprint() == codec.fingerprint()
    assert not torch.equal(tuned.decode(codec.encode(sound)), codec.decode(codec.encode(sound)))


def louder_decoder(codec: Codec) -> Decoder:
    decoder = codec.copy_decoder()
    with torch.no_grad():
        names = tuned_names(decoder)
        louder = {name: 1.1 * weight for name, weight in plain_weights(decoder, names).items()}
        set_plain_weights(decoder, louder)
    return decoder


def test_weights_without_a_length_stay_numbers() -> None:
    codec = tiny()
    decoder = codec.copy_decoder()
    name = tuned_names(decoder)[0]
    weight = plain_weights(decoder, [name])[name]
    weight[1] = 0
    set_plain_weights(decoder, {name: weight})
    torch.testing.assert_close(plain_weights(decoder, [name])[name], weight)
    codes = torch.zeros(codec.num_codebooks, 9, dtype=torch.long)
    assert codec.with_decoder(decoder).decode(codes).isfinite().all()


@pytest.mark.slow
def test_stopped_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    codec = tiny()
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = adaptation(codec, tmp_path / "whole").run()
    steps: list[ProgressEvent] = []
    for stop in (3, 6):
        with pytest.raises(Cancelled, match=f"after step {stop} of 12"):
            adaptation(codec, tmp_path / "parts").run(
                steps.append, cancelled=lambda stop=stop: len(steps) == stop
            )
    result = adaptation(codec, tmp_path / "parts").run(steps.append)
    assert len(steps) == whole.steps
    assert (result.before, result.after) == (whole.before, whole.after)
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(result).items())
    # What is finished is not done again.
    again = adaptation(codec, tmp_path / "parts").run(steps.append)
    assert len(steps) == whole.steps
    assert again.after == whole.after


@pytest.mark.slow
def test_a_seed_decides(tmp_path: Path) -> None:
    codec = tiny()
    results = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        results.append(adaptation(codec, tmp_path / str(number), seed).run().after)
    assert results[0] == results[1]
    assert results[0] != results[2]


@pytest.mark.slow
def test_a_state_of_others_or_a_broken_one_is_begun_anew(tmp_path: Path) -> None:
    codec = tiny()
    adaptation(codec, tmp_path, seed=1).run()
    steps: list[ProgressEvent] = []
    adaptation(codec, tmp_path, seed=0).run(steps.append)
    assert len(steps) > 0
    state = tmp_path / DECODER_STATE
    state.write_bytes(state.read_bytes()[:-100])
    steps.clear()
    adaptation(codec, tmp_path, seed=0).run(steps.append)
    assert len(steps) > 0


def test_nothing_is_kept_that_is_much_worse_on_other_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_adaptation, "WORST", -0.9)
    result = adaptation(tiny(), tmp_path).run()
    assert result.decoder is None


def test_a_small_gain_is_not_worth_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_adaptation, "LEAST_GAIN", 0.99)
    result = adaptation(tiny(), tmp_path).run()
    assert result.after < result.before
    assert result.decoder is None


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_adaptation, "MEASURE_EVERY", 1)
    monkeypatch.setattr(decoder_adaptation, "PATIENCE", 2)
    monkeypatch.setattr(decoder_adaptation, "LEARNING_RATE", 0.0)
    result = adaptation(tiny(), tmp_path).run()
    assert result.steps == 2
    assert result.decoder is None


def test_only_small_codecs_are_tuned_unasked() -> None:
    assert is_small(tiny())


@pytest.mark.parametrize("rate", [8000, 32_000])
def test_sounds_of_other_kinds(rate: int) -> None:
    sounds = make_sounds(rate)
    assert len(sounds) >= 8
    for sound in sounds:
        assert sound.shape == (2 * rate,)
        assert sound.square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-3)
    assert all(torch.equal(a, b) for a, b in zip(sounds, make_sounds(rate), strict=True))
    spectra = torch.stack([torch.fft.rfft(sound).abs()[: rate // 2] for sound in sounds])
    alike = torch.corrcoef(spectra) - torch.eye(len(sounds))
    assert alike.max() < 0.95


def test_the_loss_is_nothing_for_the_same_and_grows_with_the_difference() -> None:
    sound = make_sounds(RATE)[1][None]
    same, mel = sound_loss(sound, sound, RATE)
    assert same < 0.01
    assert mel == 0
    noise = torch.randn(sound.shape, generator=torch.Generator().manual_seed(0))
    losses = [sound_loss(sound + level * noise, sound, RATE)[0] for level in (0.001, 0.01, 0.1)]
    assert losses[0] < losses[1] < losses[2]
