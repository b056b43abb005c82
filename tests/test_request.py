import dataclasses
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songloom.errors import RequestError, SongloomError
from songloom.fields import FieldSpec, fields_of
from songloom.request import MAX_DURATION_VARIABLE, GenerationRequest, max_duration
from songloom.training_request import PrepareRequest, TrainingRequest

# The input schema of the hosted fine-tuner, in its order (weights aside).
HOSTED_FIELDS = [
    ("prompt", str, ""),
    ("input_audio", Path, None),
    ("duration", float, 8),
    ("continuation", bool, False),
    ("continuation_start", float, 0),
    ("continuation_end", float, None),
    ("multi_band_diffusion", bool, False),
    ("normalization_strategy", str, "loudness"),
    ("top_k", int, 250),
    ("top_p", float, 0),
    ("temperature", float, 1),
    ("classifier_free_guidance", float, 3),
    ("output_format", str, "wav"),
    ("seed", int, None),
]

# The same for trainings: what they are called, and their defaults there.
HOSTED_TRAINING_FIELDS = [
    ("dataset_path", None),
    ("auto_labeling", True),
    ("drop_vocals", True),
    ("one_same_description", None),
    ("model_version", "stereo-melody"),
    ("epochs", 3),
    ("updates_per_epoch", 100),
    ("batch_size", 16),
    ("optimizer", "dadam"),
    ("lr", 1),
    ("lr_scheduler", "cosine"),
    ("warmup", 8),
    ("cfg_p", 0.3),
]


def specs() -> dict[str, FieldSpec]:
    return {spec.name: spec for spec in fields_of(GenerationRequest)}


def test_the_fields_are_those_of_the_hosted_original() -> None:
    declared = [(spec.name, spec.type, spec.default) for spec in fields_of(GenerationRequest)]
    assert declared[: len(HOSTED_FIELDS)] == HOSTED_FIELDS
    assert [name for name, _, _ in declared[len(HOSTED_FIELDS) :]] == [
        "melody_audio",
        "melody_stems",
    ]


def test_every_field_explains_itself() -> None:
    for spec in fields_of(GenerationRequest):
        assert spec.option.help.endswith(".")
        assert spec.expectation


def test_choices_come_from_the_type() -> None:
    assert specs()["normalization_strategy"].choices == ("loudness", "clip", "peak", "rms")
    assert {"wav", "mp3"} <= set(specs()["output_format"].choices)
    assert specs()["prompt"].choices == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", None),
        ("prompt", 3),
        ("input_audio", ""),
        ("input_audio", 7),
        ("duration", 0),
        ("duration", -3.5),
        ("duration", math.nan),
        ("duration", math.inf),
        ("duration", 1e9),
        ("duration", "8"),
        ("duration", True),
        ("continuation", 1),
        ("continuation", "false"),
        ("continuation_start", -1),
        ("continuation_end", -2),
        ("continuation_end", math.nan),
        ("normalization_strategy", "loud"),
        ("top_k", -1),
        ("top_k", 2.5),
        ("top_k", False),
        ("top_p", 1.01),
        ("top_p", -0.1),
        ("temperature", -1),
        ("temperature", math.inf),
        ("classifier_free_guidance", -0.5),
        ("classifier_free_guidance", math.nan),
        ("output_format", "aiff"),
        ("output_format", "WAV"),
        ("seed", -2),
        ("seed", 2**63),
        ("seed", 1.0),
        ("melody_stems", "vocals"),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected_and_a_remedy(name: str, value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest(**{"prompt": "piano", name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is ")
    assert caught.value.field == name
    assert (f"{value:g}" if value == 1e9 else repr(value)) in message
    assert "; " in message
    remedy = message.split("; ")[1]
    assert remedy.startswith(("leave it out", "ask for less"))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ["prompt is ''", "input_audio", "describe the music"]),
        ({"prompt": "  \n"}, ["prompt is '  \\n'", "describe the music"]),
        (
            {"prompt": "piano", "continuation": True},
            ["no input_audio", "give an audio file", "turn continuation off"],
        ),
        (
            {
                "input_audio": "a.wav",
                "continuation": True,
                "continuation_start": 5,
                "continuation_end": 4,
            },
            ["continuation_end is 4 s", "after continuation_start (5 s)", "move one"],
        ),
        (
            {
                "input_audio": "a.wav",
                "continuation": True,
                "continuation_start": 2,
                "continuation_end": 2,
            },
            ["continuation_end is 2 s", "leave the end out"],
        ),
        (
            {"input_audio": "a.wav", "continuation": True, "continuation_end": 8, "duration": 8},
            ["duration is 8 s", "longer than the continued clip of 8 s", "raise duration"],
        ),
        (
            {"input_audio": "a.wav", "melody_audio": "b.wav"},
            ["input_audio (a.wav)", "melody_audio (b.wav)", "leave one out"],
        ),
        ({"prompt": "piano", "top_k": 0}, ["top_k is 0", "top_p is 0.0", "set top_k"]),
    ],
)
def test_a_combination_that_makes_no_sense_is_refused(
    values: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest(**values)
    for word in words:
        assert word in str(caught.value)
    field = caught.value.field
    assert field
    assert str(caught.value).startswith(f"{field} ")


def test_an_error_keeps_its_field_on_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(RequestError("seed is x", field="seed")))
    assert (str(error), error.field) == ("seed is x", "seed")
    assert RequestError("unknown").field == ""


def test_a_request_error_is_an_expected_error() -> None:
    with pytest.raises(SongloomError):
        GenerationRequest()


def test_audio_alone_is_enough() -> None:
    assert GenerationRequest(input_audio=Path("hum.wav")).prompt == ""


def test_a_continuation_may_follow_the_melody_of_another_file() -> None:
    request = GenerationRequest(input_audio=Path("a"), melody_audio=Path("b"), continuation=True)
    assert request.melody_audio == Path("b")


def test_greedy_decoding_needs_neither_top_k_nor_top_p() -> None:
    assert GenerationRequest("piano", top_k=0, temperature=0).top_k == 0
    assert GenerationRequest("piano", top_k=0, top_p=0.9).top_k == 0


def test_the_clip_is_measured_from_its_start() -> None:
    request = GenerationRequest(
        input_audio=Path("a.wav"),
        continuation=True,
        continuation_start=10,
        continuation_end=14,
        duration=8,
    )
    assert request.continuation_end == 14


def test_the_clip_is_not_looked_at_when_nothing_is_continued() -> None:
    # Forms send all their fields, whether the switch is on or not.
    GenerationRequest("piano", continuation_start=5, continuation_end=4)


@pytest.mark.parametrize("field", ["seed", "continuation_end"])
def test_minus_one_means_none(field: str) -> None:
    assert getattr(GenerationRequest.from_mapping({"prompt": "a", field: -1}), field) is None
    assert getattr(GenerationRequest.from_mapping({"prompt": "a", field: None}), field) is None


def test_zero_is_a_seed() -> None:
    assert GenerationRequest("piano", seed=0).seed == 0


def test_whole_numbers_become_seconds_and_text_becomes_a_path() -> None:
    request = GenerationRequest.from_mapping({"input_audio": "songs/a.wav", "duration": 12})
    assert request.input_audio == Path("songs/a.wav")
    assert isinstance(request.duration, float)


def test_replace_checks_again() -> None:
    request = GenerationRequest("piano", seed=7)
    assert dataclasses.replace(request, seed=8).prompt == "piano"
    with pytest.raises(RequestError, match="duration is -1"):
        dataclasses.replace(request, duration=-1)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationRequest("piano").seed = 3  # type: ignore[misc]


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(RequestError, match=r"unknown field 'duratoin'; did you mean 'duration'\?"):
        GenerationRequest.from_mapping({"prompt": "a", "duratoin": 3})
    with pytest.raises(RequestError, match="unknown field 'zzz'; expected one of prompt, "):
        GenerationRequest.from_mapping({"prompt": "a", "zzz": 3})


def test_the_longest_duration_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=f"at most 600 s.*{MAX_DURATION_VARIABLE}"):
        GenerationRequest("piano", duration=601)
    monkeypatch.setenv(MAX_DURATION_VARIABLE, "1200")
    assert GenerationRequest("piano", duration=601).duration == 601
    monkeypatch.setenv(MAX_DURATION_VARIABLE, "30")
    with pytest.raises(RequestError, match="duration is 31 s, but at most 30 s"):
        GenerationRequest("piano", duration=31)


@pytest.mark.parametrize("text", ["ten", "-5", "0", "nan"])
def test_a_senseless_limit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(MAX_DURATION_VARIABLE, text)
    with pytest.raises(RequestError, match=f"{MAX_DURATION_VARIABLE} is '{text}'.*unset it"):
        max_duration()


def values_of(spec: FieldSpec) -> st.SearchStrategy[Any]:
    """Any value that the field's declaration allows."""
    if spec.choices:
        values: st.SearchStrategy[Any] = st.sampled_from(spec.choices)
    elif spec.type is bool:
        values = st.booleans()
    elif spec.type is int:
        values = st.integers(int(spec.option.minimum or 0), int(spec.option.maximum or 10**6))
    elif spec.type is float:
        # An open lower bound is approached by the smallest step the grid has.
        values = st.floats(0.001, spec.option.maximum or 500)
    elif spec.type is Path:
        values = st.text("abc/._- é", min_size=1).map(Path)
    else:
        values = st.text()
    return st.none() | values if spec.optional else values


@pytest.mark.slow
@given(st.fixed_dictionaries({name: values_of(spec) for name, spec in specs().items()}))
def test_a_request_survives_json(values: dict[str, Any]) -> None:
    try:
        request = GenerationRequest(**values)
    except RequestError as error:
        # Every value is allowed on its own, so only a combination can be at fault.
        assert " but must be a " not in str(error)  # noqa: PT017
        return
    assert GenerationRequest.from_mapping(json.loads(json.dumps(request.to_mapping()))) == request


@given(st.data(), st.sampled_from([spec for spec in specs().values() if spec.type is not bool]))
def test_typed_text_means_what_the_value_means(data: st.DataObject, spec: FieldSpec) -> None:
    value = data.draw(values_of(spec))
    if value is not None:
        assert spec.parse_text(str(value)) == value


def test_text_that_is_no_number_is_named() -> None:
    with pytest.raises(RequestError, match=r"top_k is '2\.5', but must be a whole number"):
        specs()["top_k"].parse_text("2.5")
    with pytest.raises(RequestError, match="duration is nan, but must be a finite number"):
        specs()["duration"].parse_text("nan")


@given(st.sampled_from(fields_of(GenerationRequest)), st.integers() | st.floats() | st.text())
def test_anything_is_either_taken_or_refused_with_a_message(spec: FieldSpec, value: Any) -> None:
    try:
        parsed = spec.parse(value)
    except RequestError as error:
        assert str(error).startswith(f"{spec.name} is ")  # noqa: PT017
    else:
        assert parsed is None or isinstance(parsed, spec.type)
        assert spec.parse(parsed) == parsed


def training_specs() -> dict[str, FieldSpec]:
    return {spec.name: spec for spec in fields_of(TrainingRequest)}


def test_a_training_has_the_inputs_of_the_hosted_original() -> None:
    ours = training_specs()
    assert [name for name, _ in HOSTED_TRAINING_FIELDS if name not in ours] == []
    differing = {name for name, default in HOSTED_TRAINING_FIELDS if ours[name].default != default}
    assert differing == {"drop_vocals", "model_version", "lr"}
    assert ours["dataset_path"].required


def test_every_field_of_a_training_explains_itself() -> None:
    for spec in training_specs().values():
        assert spec.option.help.endswith(".")
        assert spec.expectation
        if not spec.required:
            assert spec.parse(spec.default) == spec.default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset_path", ""),
        ("dataset_path", None),
        ("auto_labeling", 1),
        ("tagger", "essentia"),
        ("held_out", 0.51),
        ("held_out", -0.1),
        ("processes", 0),
        ("epochs", 0),
        ("batch_size", 2.0),
        ("batch_size", True),
        ("optimizer", "sgd"),
        ("lr", 0),
        ("lr", math.nan),
        ("lr_scheduler", "linear"),
        ("warmup", -1),
        ("cfg_p", 1.1),
        ("lora_rank", 0),
        ("lora_alpha", 0),
        ("lora_targets", "q"),
        ("lora_dropout", 1.0),
        ("ema_decay", 1.0),
        ("window_seconds", 0),
        ("precision", "int8"),
        ("patience", 0),
        ("keep", "first"),
        ("save_minutes", -1),
        ("max_minutes", 0),
        ("preview_seconds", 0),
        ("seed", -1),
    ],
)
def test_a_bad_value_of_a_training_is_named_with_a_remedy(name: str, value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        TrainingRequest(**{"dataset_path": "songs", name: value})
    message = str(caught.value)
    assert caught.value.field == name
    assert message.startswith(f"{name} is {value!r}, but must be ")
    assert message.split("; ")[1].startswith(
        "give one" if name == "dataset_path" else "leave it out"
    )


def test_a_training_s_songs_must_be_given() -> None:
    with pytest.raises(RequestError, match="dataset_path is missing"):
        TrainingRequest.from_mapping({"epochs": 1})
    with pytest.raises(RequestError, match=r"unknown field 'epoch'; did you mean 'epochs'"):
        TrainingRequest.from_mapping({"dataset_path": "songs", "epoch": 1})


@given(
    st.fixed_dictionaries(
        {
            name: values_of(spec) if not spec.required else st.just("songs")
            for name, spec in training_specs().items()
        }
    )
)
def test_a_training_survives_json(values: dict[str, Any]) -> None:
    request = TrainingRequest(**values)
    assert TrainingRequest.from_mapping(json.loads(json.dumps(request.to_mapping()))) == request


def test_a_training_is_a_preparation_with_more() -> None:
    prepare = fields_of(PrepareRequest)
    assert fields_of(TrainingRequest)[: len(prepare)] == prepare
    assert TrainingRequest(Path("songs"), epochs=4, updates_per_epoch=25).steps == 100


@pytest.mark.parametrize(
    "url", ["https://x.example/a.wav", "HTTP://x/a", "s3://b/a", "file:///a.wav", "data:/x"]
)
def test_a_url_in_the_place_of_a_file_is_named_as_such(url: str) -> None:
    """A path that is made of one has lost a slash, and there is no such file."""
    for value in (url, Path(url)):
        with pytest.raises(RequestError, match=r"input_audio is '.*', a URL, .* download it first"):
            GenerationRequest(input_audio=value)  # type: ignore[arg-type]


def test_prompts_have_a_greatest_length() -> None:
    assert GenerationRequest(prompt="a" * 10_000).prompt
    with pytest.raises(RequestError) as caught:
        GenerationRequest(prompt="a" * 16_000_000)
    assert "(16000000 characters), but must be a text of at most 10000 characters" in str(
        caught.value
    )
    assert len(str(caught.value)) < 500
