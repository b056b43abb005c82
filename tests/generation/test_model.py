"""From request to track, on tiny random models of every kind."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import songloom
from songloom.audio.files import Audio, read_audio, read_tags, write_audio
from songloom.errors import Cancelled, ModelError, RequestError
from songloom.models.layers import has_half_linear
from songloom.progress import GenerationProgress, Notice, ProgressEvent
from songloom.request import GenerationRequest
from tests.tiny import tiny_model

WINDOW = 2.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, songloom.Model]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {
        "text": {"melody": False, "channels": 1},
        "text-stereo": {"melody": False, "channels": 2},
        "melody": {"melody": True, "channels": 1},
        "melody-stereo": {"melody": True, "channels": 2},
    }
    return {
        name: songloom.load(
            tiny_model(folder / name, window_seconds=WINDOW, **kind), dtype="float32"
        )
        for name, kind in kinds.items()
    }


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half of a tone that climbs, in stereo at 44.1 kHz."""
    time = torch.arange(66_150) / 44_100
    left = torch.sin(2 * torch.pi * (220 + 200 * time) * time) * 0.4
    path = tmp_path_factory.mktemp("audio") / "clip.wav"
    write_audio(path, Audio(torch.stack([left, left.flip(0)]), 44_100), format="wav")
    return path


def request(**fields: object) -> GenerationRequest:
    defaults: dict[str, object] = {"prompt": "warm felt piano", "duration": 0.5, "seed": 7}
    return GenerationRequest(**{**defaults, **fields})  # type: ignore[arg-type]


KINDS = ["text", "text-stereo", "melody", "melody-stereo"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_track_has_what_was_asked_for(models: dict[str, songloom.Model], kind: str) -> None:
    model = models[kind]
    track = model.generate(request(duration=0.61))
    channels = 2 if kind.endswith("stereo") else 1
    assert model.info.channels == channels
    assert model.info.melody == kind.startswith("melody")
    assert track.audio.shape == (channels, round(0.61 * 32_000))
    assert track.tokens.shape == (4 * channels, 31)
    assert track.sample_rate == 32_000
    assert track.seed == 7
    assert track.audio.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_requests_together_equal_each_alone(
    models: dict[str, songloom.Model], kind: str, clip: Path
) -> None:
    model = models[kind]
    requests = [
        request(),
        request(prompt="slow jazz in c minor, drums", duration=0.3, seed=0, top_p=0.9),
        request(duration=2.0, continuation=True, input_audio=clip, classifier_free_guidance=1),
        request(duration=4.5, seed=3, top_k=10, temperature=0.7),
        request(prompt="", continuation=True, input_audio=clip, continuation_end=0.4),
    ]
    if model.info.melody:
        requests.append(request(input_audio=clip, melody_stems="none", duration=0.4))
    together = model.generate(requests)
    for wanted, track in zip(requests, together, strict=True):
        alone = model.generate(wanted)
        assert torch.equal(track.tokens, alone.tokens)
        assert torch.equal(track.audio, alone.audio)
        assert track.seconds == pytest.approx(wanted.duration)


def test_requests_wait_where_memory_is_short(
    models: dict[str, songloom.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(duration=0.2 + 0.1 * i, seed=i) for i in range(4)]
    together = models["text"].generate(requests)
    monkeypatch.setattr("songloom.generation.batch.CACHE_BYTES", 1)
    in_turn = models["text"].generate(requests)
    for first, second in zip(together, in_turn, strict=True):
        assert torch.equal(first.tokens, second.tokens)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duration", [0.1, 1.7, 5.03])
def test_streamed_chunks_joined_are_the_track(
    models: dict[str, songloom.Model], kind: str, duration: float
) -> None:
    model = models[kind]
    chunks = list(model.stream(request(duration=duration)))
    whole = model.generate(request(duration=duration)).audio
    assert len(chunks) >= min(3, int(duration))
    assert torch.cat(chunks, dim=1).shape == whole.shape
    torch.testing.assert_close(torch.cat(chunks, dim=1), whole, atol=1e-4, rtol=0)


def test_a_stream_checks_its_request_at_once(models: dict[str, songloom.Model], clip: Path) -> None:
    with pytest.raises(RequestError, match="melody"):
        models["text"].stream(request(input_audio=clip))


def test_a_continuation_begins_with_the_clip(models: dict[str, songloom.Model], clip: Path) -> None:
    model = models["text-stereo"]
    part = {"continuation": True, "input_audio": clip, "duration": 2.0}
    whole = model.generate(request(**part))
    middle = model.generate(request(**part, continuation_start=0.5, continuation_end=1.0))
    codec = model._components.codec
    from songloom.audio.transforms import convert

    samples = convert(read_audio(clip), 32_000, 2).samples
    # The last frame is whole only up to the resampler's rounding.
    assert torch.equal(whole.tokens[:, :74], codec.encode(samples)[:, :74])
    expected = codec.encode(samples[:, 16_000:32_000])
    assert (middle.tokens[:, :25] == expected).float().mean() > 0.95
    assert whole.seconds == middle.seconds == 2.0


def test_long_pieces_slide_the_window(models: dict[str, songloom.Model]) -> None:
    """The second window is what continuing the end of the first one gives."""
    model = models["text"]
    track = model.generate(request(duration=3.0, temperature=0))
    first = model.generate(request(duration=WINDOW, temperature=0))
    assert torch.equal(track.tokens[:, :100], first.tokens)
    # Two windows of two seconds, 1.2 s apart: the second keeps 0.8 s.
    from songloom.generation.engine import Engine
    from songloom.generation.sampling import SamplingParams
    from songloom.generation.sequence import Conditions, Sequence

    parts = model._components
    second = Sequence(
        90,
        Conditions(parts.text("warm felt piano")),
        SamplingParams(250, 0.0, 0),
        3.0,
        torch.zeros(90, 4),
        first.tokens[:, 60:],
    )
    engine = Engine(parts.lm, 2, second.steps_needed(parts.lm.config))
    engine.admit(second)
    while not second.done:
        engine.advance()
    assert torch.equal(second.codes(parts.lm.config.delays), track.tokens[:, 60:])


def test_the_melody_is_heard_and_follows_the_window(
    models: dict[str, songloom.Model], clip: Path
) -> None:
    model = models["melody"]
    plain = model.generate(request(duration=1.0))
    follow = request(input_audio=clip, melody_stems="none", duration=1.0)
    assert not torch.equal(plain.tokens, model.generate(follow).tokens)
    long = model.generate(request(input_audio=clip, melody_stems="none", duration=3.0))
    assert long.tokens.shape == (4, 150)


def test_a_melody_and_a_continuation_together(
    models: dict[str, songloom.Model], clip: Path
) -> None:
    model = models["melody-stereo"]
    part = {"continuation": True, "input_audio": clip, "continuation_end": 0.4, "duration": 1.0}
    both = model.generate(request(**part, melody_audio=clip, melody_stems="none"))
    only = model.generate(request(**part))
    assert torch.equal(both.tokens[:, :20], only.tokens[:, :20])
    assert not torch.equal(both.tokens, only.tokens)


def test_seeds(models: dict[str, songloom.Model]) -> None:
    model = models["text"]
    zero, one = model.generate([request(seed=0), request(seed=1)])
    assert torch.equal(zero.tokens, model.generate(request(seed=0)).tokens)
    assert not torch.equal(zero.tokens, one.tokens)
    drawn = [model.generate(request(seed=seed)) for seed in (None, -1)]
    assert drawn[0].seed != drawn[1].seed
    assert min(track.seed for track in drawn) >= 0
    again = model.generate(request(seed=drawn[0].seed))
    assert torch.equal(again.tokens, drawn[0].tokens)


def test_progress_grows_to_the_whole(models: dict[str, songloom.Model], clip: Path) -> None:
    events: list[ProgressEvent] = []
    requests = [
        request(duration=3.0),
        request(duration=2.0, continuation=True, input_audio=clip),
    ]
    models["text"].generate(requests, on_event=events.append)
    done = [event.seconds_done for event in events if isinstance(event, GenerationProgress)]
    total = {event.seconds_total for event in events if isinstance(event, GenerationProgress)}
    assert done == sorted(done)
    assert len(total) == 1
    assert done[-1] == total.pop() == pytest.approx(3.5, abs=0.03)
    assert 0 < done[0] < 0.5


def test_cancelling_stops_at_the_next_step(models: dict[str, songloom.Model]) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        models["text"].generate(request(), cancelled=lambda: next(asked))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"continuation_start": 1.5}, "only 1.50 s long"),
        ({"continuation_start": 30}, "continuation_start is 30 s"),
        ({"continuation_end": 9, "duration": 12}, "continuation_end is 9 s"),
        ({"continuation_start": 1.495}, "shorter than a frame"),
        ({"duration": 1.5}, "duration is 1.5 s"),
        ({"duration": 0.3}, "raise it"),
    ],
)
def test_clips_that_cannot_be_continued(
    models: dict[str, songloom.Model], clip: Path, fields: dict[str, float], message: str
) -> None:
    wanted = request(
        **{"continuation": True, "input_audio": clip, "duration": 2.0, **fields}  # type: ignore[arg-type]
    )
    with pytest.raises(RequestError, match=message):
        models["text"].generate(wanted)


def test_one_bad_request_and_nothing_is_generated(
    models: dict[str, songloom.Model], clip: Path
) -> None:
    events: list[ProgressEvent] = []
    with pytest.raises(RequestError, match="reads text only"):
        models["text"].generate([request(), request(input_audio=clip)], on_event=events.append)
    assert events == []


def test_a_prompt_that_is_not_read_to_its_end_is_told(models: dict[str, songloom.Model]) -> None:
    def notices(prompt: str) -> list[str]:
        events: list[ProgressEvent] = []
        wanted = request(prompt=prompt, duration=0.1)
        models["text"].generate([wanted, wanted], on_event=events.append)
        list(models["text"].stream(wanted, on_event=events.append))
        return [event.text for event in events if isinstance(event, Notice)]

    text = models["text"]._components.text
    words = " ".join(f"w{number}" for number in range(700))
    unread = text.count_unread(words)
    assert 0 < unread < len(words)
    assert torch.equal(text(words), text(words[: len(words) - unread]))
    assert notices("warm piano") == []
    told = notices(words)
    assert len(told) == 2  # once by each call
    assert f"its last {unread} characters, after" in told[0]
    assert repr(words[: len(words) - unread][-40:]) in told[0]


def test_a_duration_below_a_sample_is_refused(models: dict[str, songloom.Model]) -> None:
    with pytest.raises(RequestError, match="duration is 1e-09 s"):
        models["text"].generate(request(duration=1e-9))
    assert models["text"].generate(request(duration=0.0001)).audio.shape == (1, 3)


def test_diffusion_is_refused_clearly(models: dict[str, songloom.Model]) -> None:
    with pytest.raises(RequestError, match="multi_band_diffusion is on"):
        models["text"].generate(request(multi_band_diffusion=True))


def test_a_saved_track_says_what_made_it(models: dict[str, songloom.Model], tmp_path: Path) -> None:
    track = models["text"].generate(request(prompt="Träumerei", normalization_strategy="peak"))
    for name in ("a.wav", "a.mp3", "a.flac", "a.ogg"):
        track.save(tmp_path / name)
        made_by = json.loads(read_tags(tmp_path / name)["comment"])
        assert made_by["prompt"] == "Träumerei"
        assert made_by["seed"] == 7
        assert made_by["version"] == songloom.__version__
        # What a file says is enough to make it again.
        fields = {k: v for k, v in made_by.items() if k not in ("model", "version")}
        assert GenerationRequest.from_mapping(fields) == track.request
    saved = read_audio(tmp_path / "a.wav").samples
    assert float(saved.abs().max()) == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    track.save(tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes()[:4] == b"RIFF"


def test_a_saved_track_does_not_tell_folders(
    models: dict[str, songloom.Model], clip: Path, tmp_path: Path
) -> None:
    track = models["melody"].generate(request(input_audio=clip.absolute(), melody_stems="none"))
    replace(track, model=str(tmp_path / "mine")).save(tmp_path / "a.wav")
    made_by = json.loads(read_tags(tmp_path / "a.wav")["comment"])
    assert (made_by["input_audio"], made_by["model"]) == (clip.name, "mine")


@pytest.mark.skipif(not has_half_linear(), reason="this PyTorch has no FBGEMM")
def test_half_weights_are_the_default_and_close(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    assert songloom.load(folder, device="cpu").dtype == torch.float16
    exact = songloom.load(folder, dtype="float32")
    greedy = request(temperature=0)
    same = exact.generate(greedy).tokens == songloom.load(folder).generate(greedy).tokens
    assert same.float().mean() > 0.9


@pytest.mark.skipif(
    torch.cpu._is_amx_tile_supported() and torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="PyTorch's attention in bfloat16 uses AMX although ATEN_CPU_CAPABILITY forbids it",
)
def test_bfloat16_runs(tmp_path: Path) -> None:
    model = songloom.load(tiny_model(tmp_path / "model", melody=True), dtype="bfloat16")
    assert model.generate(request()).audio.isfinite().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"device": "cuda:99"}, "cuda:99"), ({"device": "toaster"}, "toaster"),
     ({"dtype": "int3"}, "int3")],
)  # fmt: skip
def test_impossible_devices_and_precisions(
    tmp_path: Path, fields: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        songloom.load(tmp_path, **fields)  # type: ignore[arg-type]


def test_importing_songloom_is_free() -> None:
    code = "import songloom, sys; assert 'torch' not in sys.modules; songloom.GenerationRequest"
    subprocess.run([sys.executable, "-c", code], check=True)
