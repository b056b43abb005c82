"""Requests for multi-band diffusion, on tiny random models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import songloom
from songloom.checkpoints.diffusion_files import FOLDER, write_diffusion
from songloom.errors import Cancelled, ModelError, RequestError
from songloom.progress import DiffusionProgress, GenerationProgress, ProgressEvent
from songloom.request import GenerationRequest
from tests.tiny import tiny_diffusion, tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, songloom.Model]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {
        "mono": {"melody": False, "channels": 1},
        "stereo": {"melody": True, "channels": 2},
        "without": {"melody": False, "channels": 1},
    }
    loaded = {}
    for name, kind in kinds.items():
        tiny_model(folder / name, **kind)  # type: ignore[arg-type]
        if name != "without":
            write_diffusion(tiny_diffusion(), folder / name / FOLDER)
        loaded[name] = songloom.load(folder / name, dtype="float32")
    return loaded


def request(**fields: object) -> GenerationRequest:
    given = {"prompt": "warm felt piano", "duration": 0.5, "seed": 7, "multi_band_diffusion": True}
    return GenerationRequest(**{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mono", "stereo"])
def test_the_same_tokens_sound_otherwise(models: dict[str, songloom.Model], kind: str) -> None:
    model = models[kind]
    asked = request(duration=0.61)
    track = model.generate(asked)
    plain = model.generate(request(duration=0.61, multi_band_diffusion=False))
    assert torch.equal(track.tokens, plain.tokens)
    assert track.audio.shape == plain.audio.shape == (model.info.channels, round(0.61 * 32_000))
    assert track.audio.isfinite().all()
    assert (track.audio - plain.audio).abs().max() > 1e-3
    assert track.request == asked


@pytest.mark.slow
def test_alone_or_in_a_batch(models: dict[str, songloom.Model]) -> None:
    model = models["stereo"]
    requests = [request(seed=1), request(seed=2, multi_band_diffusion=False), request(seed=3)]
    together = model.generate(requests)
    for asked, track in zip(requests, together, strict=True):
        assert torch.equal(model.generate(asked).audio, track.audio)


@pytest.mark.slow
def test_the_seed_decides(models: dict[str, songloom.Model]) -> None:
    model = models["mono"]
    # Greedy tokens are the same for all seeds, so what differs is the noise.
    first, again, other = (model.generate(request(seed=s, temperature=0)) for s in (0, 0, 1))
    assert torch.equal(first.tokens, other.tokens)
    assert torch.equal(first.audio, again.audio)
    assert not torch.equal(first.audio, other.audio)


def test_progress_goes_from_generating_to_decoding(models: dict[str, songloom.Model]) -> None:
    events: list[ProgressEvent] = []
    requests = [request(), request(multi_band_diffusion=False), request(duration=0.25)]
    models["mono"].generate(requests, on_event=events.append)
    kinds = [type(event) for event in events]
    first = kinds.index(DiffusionProgress)
    assert set(kinds[:first]) == {GenerationProgress}
    assert set(kinds[first:]) == {DiffusionProgress}
    done = [event.seconds_done for event in events if isinstance(event, DiffusionProgress)]
    assert done == sorted(done)
    assert len(done) == 2 * 2 * 20  # pieces, bands, steps
    last = events[-1]
    assert isinstance(last, DiffusionProgress)
    assert last.seconds_done == pytest.approx(0.75)
    assert last.seconds_total == pytest.approx(0.75)


def test_decoding_can_be_cancelled(models: dict[str, songloom.Model]) -> None:
    events: list[ProgressEvent] = []

    def cancelled() -> bool:
        return sum(isinstance(event, DiffusionProgress) for event in events) >= 3

    with pytest.raises(Cancelled):
        models["mono"].generate(request(), on_event=events.append, cancelled=cancelled)
    assert sum(isinstance(event, DiffusionProgress) for event in events) == 3


def test_a_stream_is_one_chunk(models: dict[str, songloom.Model]) -> None:
    model = models["stereo"]
    [chunk] = model.stream(request())
    assert torch.equal(chunk, model.generate(request()).audio)


def test_a_model_without_weights_refuses_before_generating(
    models: dict[str, songloom.Model],
) -> None:
    events: list[ProgressEvent] = []
    with pytest.raises(RequestError, match=r"multi_band_diffusion is on.*leave it off"):
        models["without"].generate([request(multi_band_diffusion=False), request()])
    with pytest.raises(RequestError, match="multi_band_diffusion is on"):
        models["without"].stream(request(), on_event=events.append)
    assert events == []


def test_broken_weights_are_told_before_generating(tmp_path: Path) -> None:
    tiny_model(tmp_path)
    write_diffusion(tiny_diffusion(), tmp_path / FOLDER)
    (tmp_path / FOLDER / "model.safetensors").write_bytes(b"")
    model = songloom.load(tmp_path, dtype="float32")
    events: list[ProgressEvent] = []
    with pytest.raises(ModelError, match="diffusion"):
        model.generate(request(), on_event=events.append)
    assert events == []
    assert model.generate(request(multi_band_diffusion=False)).seconds == 0.5
