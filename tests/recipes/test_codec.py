import pytest
import torch

from recipes.nano.clips import held_out_clip
from recipes.nano.codec import WAVEFORMS, assemble_codec, evaluate_codec, reconstruct
from recipes.nano.listener import Listener, ListenerSettings, start_from, train_listener
from recipes.nano.losses import si_sdr
from recipes.nano.runs import before
from recipes.nano.score import tokens
from recipes.nano.synthesis import (
    Synthesis,
    code_audio,
    fit_synthesis,
    load_synthesis,
    overlapped,
    save_synthesis,
)
from tests.recipes.banks import tone_bank

FRAMES = 50


@pytest.fixture(scope="module")
def synthesis(sampler) -> Synthesis:
    return fit_synthesis(sampler, WAVEFORMS, pieces=6)


@pytest.fixture(scope="module")
def listener(synthesis) -> Listener:
    torch.manual_seed(0)
    fresh = Listener(ListenerSettings(width=8))
    start_from(fresh, synthesis)
    return fresh.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network(synthesis, listener):
    # As it is packed, in half precision.
    return assemble_codec(synthesis, listener).half().float()


@pytest.fixture(params=[1, 4])
def clip(request, sampler) -> tuple[torch.Tensor, torch.Tensor]:
    excerpt = held_out_clip(request.param, FRAMES).excerpt
    return torch.from_numpy(sampler.render(excerpt)), torch.from_numpy(tokens(excerpt))


def test_codes_sound_like_the_render(sampler, clip):
    audio, codes = clip
    each = code_audio(sampler)
    exact = overlapped(sum(each[q][codes[q]] for q in range(4)))
    assert si_sdr(exact[None], audio[None]).item() > 25


def test_a_few_waveforms_are_enough(synthesis, clip):
    audio, codes = clip
    assert si_sdr(synthesis.audio(codes)[None], audio[None]).item() > 8
    assert synthesis.vectors.abs().amax(1).sum(0).max() <= 1.0001


def test_the_network_decodes_as_the_synthesis_does(network, synthesis, clip):
    _, codes = clip
    with torch.no_grad():
        audio = network.decode(codes[None, None], [None])[0][0, 0]
    torch.testing.assert_close(audio, synthesis.audio(codes), atol=3e-3, rtol=0)


def test_silence_is_silent(network):
    with torch.no_grad():
        audio = network.decode(torch.zeros(1, 1, 4, 10, dtype=torch.long), [None])[0]
    assert audio.abs().max() < 1e-5


def test_the_network_encodes_as_the_listener_does(synthesis, listener, clip):
    audio, _ = clip
    network = assemble_codec(synthesis, listener)
    with torch.no_grad():
        codes = network.encode(audio[None, None]).audio_codes[0]
    assert (codes == listener.codes(audio[None])).float().mean() > 0.99


def test_the_layout_is_what_musicgen_expects(network, clip):
    audio, _ = clip
    assert network.config.frame_rate == 25
    assert network.config.num_quantizers == 4
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    with torch.no_grad():
        assert reconstruct(network, audio[None, :40_001]).shape == (1, 40_001)


def test_a_listener_learns_and_goes_on_where_it_was(tmp_path, sampler, synthesis):
    settings = ListenerSettings(width=8, steps=12, batch=3, frames=40, warm_up=2, held_out=2)
    strangers = [tone_bank()]
    train_listener(tmp_path, sampler, strangers, synthesis, settings, goes_on=before(4))
    trained = train_listener(tmp_path, sampler, strangers, synthesis, settings)
    log = (tmp_path / "listener.log").read_text()
    assert "from step 4" in log
    assert "end: step 12" in log
    ratio, distance = evaluate_codec(assemble_codec(synthesis, trained), sampler, clips=1)
    assert ratio < 60
    assert distance > 0


def test_a_synthesis_is_read_as_it_was_written(tmp_path, synthesis):
    save_synthesis(tmp_path / "s.safetensors", synthesis)
    read = load_synthesis(tmp_path / "s.safetensors")
    assert torch.equal(read.vectors, synthesis.vectors)
    assert torch.equal(read.waveforms, synthesis.waveforms)
