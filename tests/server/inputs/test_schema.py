"""The Cog document beside the one that Cog 0.9.4 printed for the hosted original."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from songloom.jobs.store.records import WEBHOOK_EVENTS, JobKind
from songloom.request import GenerationRequest
from songloom.server.inputs.contract import wire_inputs
from songloom.server.inputs.schema import cog_document, input_defaults
from songloom.training_request import TrainingRequest

ORIGINAL = json.loads((Path(__file__).parents[1] / "golden" / "original-openapi.json").read_text())
INPUTS = {"Input", "TrainingInput"}
NAMES = {"Input": "prediction", "TrainingInput": "training"}


def ours() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(cog_document()))
    return document


def without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: without_descriptions(part)
            for name, part in value.items()
            if not (name == "description" and isinstance(part, str))
        }
    return [without_descriptions(part) for part in value] if isinstance(value, list) else value


def test_every_path_is_the_original_s() -> None:
    assert without_descriptions(ours()["paths"]) == without_descriptions(ORIGINAL["paths"])
    assert list(ours()["paths"]) == list(ORIGINAL["paths"])
    assert {key: ours()[key] for key in ("openapi", "info")} == {
        key: ORIGINAL[key] for key in ("openapi", "info")
    }


@pytest.mark.parametrize("name", sorted(set(ORIGINAL["components"]["schemas"]) - INPUTS))
def test_every_schema_is_the_original_s(name: str) -> None:
    found = ours()["components"]["schemas"][name]
    assert without_descriptions(found) == without_descriptions(
        ORIGINAL["components"]["schemas"][name]
    )


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_input_is_the_original_s_and_ours_come_after(name: str) -> None:
    found = ours()["components"]["schemas"][name]["properties"]
    properties = ORIGINAL["components"]["schemas"][name]["properties"]
    # What was meant as its description became its default, so that nothing seemed to be needed.
    properties.get("dataset_path", {}).pop("default", None)
    assert list(found)[: len(properties)] == list(properties)
    for key, schema in properties.items():
        # As text: to some clients 8 is not the 8.0 that Python takes it for.
        told, expected = (
            json.dumps(without_descriptions(part), sort_keys=True) for part in (found[key], schema)
        )
        assert told == expected, key
    assert [schema["x-order"] for schema in found.values()] == list(range(len(found)))
    assert "required" not in ORIGINAL["components"]["schemas"][name]
    required = ours()["components"]["schemas"][name].get("required", [])
    assert required == ([] if name == "Input" else ["dataset_path"])


def test_what_is_ours_is_described_in_words_of_ours() -> None:
    """No sentence of the original's is copied."""
    for name in INPUTS:
        found = ours()["components"]["schemas"][name]["properties"]
        for key, schema in ORIGINAL["components"]["schemas"][name]["properties"].items():
            if "description" in schema:
                assert found[key]["description"] != schema["description"]


def test_further_inputs_are_all_that_requests_have() -> None:
    predictions = [wire.name for wire in wire_inputs("prediction")]
    trainings = [wire.name for wire in wire_inputs("training")]
    assert predictions[15:] == ["model", "count", "melody_audio", "melody_stems"]
    assert trainings[13] == "model"
    wanted = set(TrainingRequest.__dataclass_fields__) - {"name", "device"}
    assert set(trainings) == wanted | {"model"}
    assert set(predictions) == set(GenerationRequest.__dataclass_fields__) | {
        "replicate_weights", "model", "count",
    }  # fmt: skip


def test_bounds_of_ours_are_shown_as_openapi_3_0_wants_them() -> None:
    properties = ours()["components"]["schemas"]["TrainingInput"]["properties"]
    assert properties["max_minutes"]["minimum"] == 0
    assert properties["max_minutes"]["exclusiveMinimum"] is True
    assert (properties["held_out"]["minimum"], properties["held_out"]["maximum"]) == (0, 0.5)
    counts = ours()["components"]["schemas"]["Input"]["properties"]["count"]
    assert (counts["minimum"], counts["maximum"], counts["default"]) == (1, 16, 1)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_defaults_are_those_of_the_document(name: str) -> None:
    kind: JobKind = "prediction" if name == "Input" else "training"
    properties = ours()["components"]["schemas"][name]["properties"]
    given = {key: schema["default"] for key, schema in properties.items() if "default" in schema}
    assert {key: value for key, value in input_defaults(kind).items() if value is not None} == given
    assert set(input_defaults(kind)) == set(properties)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_defaults_and_choices_are_accepted(name: str) -> None:
    kind: JobKind = "prediction" if name == "Input" else "training"
    for wire in wire_inputs(kind):
        offered = [*wire.choices, *([wire.spec.default] if wire.spec.default is not None else [])]
        for value in offered:
            assert wire.read(value) == (value, "")


def test_all_references_lead_somewhere() -> None:
    text = json.dumps(ours())
    for name in ours()["components"]["schemas"]:
        text = text.replace(f'"#/components/schemas/{name}"', "")
    assert "#/components" not in text


def test_the_document_has_the_events_that_are_sent() -> None:
    schemas = ours()["components"]["schemas"]
    assert schemas["WebhookEvent"]["enum"] == list(WEBHOOK_EVENTS)
    for name in ("PredictionRequest", "TrainingRequest"):
        events = schemas[name]["properties"]["webhook_events_filter"]
        assert events["default"] == list(WEBHOOK_EVENTS)


def test_the_document_is_packaged() -> None:
    settings = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert "server/inputs/cog.json" in settings["tool"]["setuptools"]["package-data"]["songloom"]
