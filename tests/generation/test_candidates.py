"""The choice of a precision: by what is measured, once, and kept; no test measures time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

import songloom
from songloom.checkpoints import precision_records
from songloom.checkpoints.listing import list_models
from songloom.checkpoints.precision_records import precision_folder, read_records
from songloom.generation import candidates as candidates_module
from songloom.generation import precision as precision_module
from songloom.generation.candidates import (
    FLOAT32,
    HALF,
    MARGIN,
    Candidate,
    choose_candidate,
    choose_fastest,
    cpu_candidates,
    measure_candidates,
    situation_of,
)
from songloom.models.layers import has_half_linear
from songloom.models.lm import LM
from tests.generation.sequences import TEXT, tiny
from tests.tiny import tiny_model

needs_half = pytest.mark.skipif(not has_half_linear(), reason="this PyTorch has no FBGEMM")


class Stopwatch:
    """Gives times that a test sets, and counts how often it is asked."""

    def __init__(self, float32: float, float16: float) -> None:
        self.seconds = {"float32": float32, "float16": float16}
        self.measurements = 0

    def __call__(self, lm: LM, candidates: Sequence[Candidate]) -> Mapping[str, float]:
        self.measurements += 1
        return {candidate.name: self.seconds[candidate.name] for candidate in candidates}


HALF_IS_FASTER, HALF_IS_SLOWER = (1.0, 0.5), (1.0, 1.2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two candidates on any machine."""
    monkeypatch.setattr(candidates_module, "cpu_candidates", lambda: (FLOAT32, HALF))


@pytest.mark.parametrize(
    ("half", "chosen"),
    [(0.5, HALF), (1 - MARGIN - 0.01, HALF), (1 - MARGIN + 0.01, FLOAT32), (1.0, FLOAT32)],
)
def test_what_is_less_exact_has_to_win_clearly(half: float, chosen: Candidate) -> None:
    assert choose_fastest((FLOAT32, HALF), {"float32": 1.0, "float16": half}) is chosen


@pytest.mark.usefixtures("both")
def test_it_is_measured_once_and_kept() -> None:
    first = Stopwatch(*HALF_IS_FASTER)
    assert choose_candidate(tiny(TEXT), first) is HALF
    later = Stopwatch(*HALF_IS_SLOWER)
    assert choose_candidate(tiny(TEXT), later) is HALF
    assert (first.measurements, later.measurements) == (1, 0)
    [record] = read_records()
    assert (record.precision, record.seconds) == ("float16", {"float32": 1.0, "float16": 0.5})


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("changed", ["processor", "torch", "threads", "shape"])
def test_another_situation_is_measured_anew(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = tiny(TEXT)
    assert choose_candidate(lm, Stopwatch(*HALF_IS_FASTER)) is HALF
    before = situation_of(lm)
    other = replace(before, **{changed: 7 if changed == "threads" else "another"})  # type: ignore[arg-type]
    monkeypatch.setattr(candidates_module, "situation_of", lambda lm: other)
    assert choose_candidate(lm, Stopwatch(*HALF_IS_SLOWER)) is FLOAT32
    assert {record.situation for record in read_records()} == {before, other}


@pytest.mark.usefixtures("both")
def test_a_further_candidate_is_measured_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_SLOWER))
    native = replace(HALF, name="native")
    monkeypatch.setattr(candidates_module, "cpu_candidates", lambda: (FLOAT32, HALF, native))
    stopwatch = Stopwatch(*HALF_IS_SLOWER)
    stopwatch.seconds["native"] = 0.1
    assert choose_candidate(tiny(TEXT), stopwatch) is native
    assert choose_candidate(tiny(TEXT), stopwatch) is native
    assert stopwatch.measurements == 1


DAMAGE = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "fields missing": "{}",
    "no dictionary of seconds": json.dumps({"situation": {}, "precision": "x", "seconds": 3}),
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_measured_anew(content: str | bytes) -> None:
    choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_FASTER))
    [path] = precision_folder().iterdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert read_records() == ()
    assert choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_SLOWER)) is FLOAT32
    assert read_records()[0].precision == "float32"


@pytest.mark.usefixtures("both")
def test_a_choice_that_was_never_measured_does_not_count() -> None:
    choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_FASTER))
    [path] = precision_folder().iterdir()
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "precision": "float4"}))
    assert choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_SLOWER)) is FLOAT32


@pytest.mark.usefixtures("both")
def test_where_nothing_can_be_kept_it_is_measured_each_time(home: Path) -> None:
    home.write_text("a file where the folder should be")  # even root can't write below it
    stopwatch = Stopwatch(*HALF_IS_FASTER)
    assert choose_candidate(tiny(TEXT), stopwatch) is HALF
    assert choose_candidate(tiny(TEXT), stopwatch) is HALF
    assert stopwatch.measurements == 2


@pytest.mark.usefixtures("both")
def test_what_another_process_kept_meanwhile_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    real = precision_records.write_record

    def overtaken(record: precision_records.PrecisionRecord) -> None:
        real(replace(record, precision="float32"))

    monkeypatch.setattr(candidates_module, "write_record", overtaken)
    assert choose_candidate(tiny(TEXT), Stopwatch(*HALF_IS_FASTER)) is FLOAT32


def test_every_candidate_is_measured_on_the_model_s_own_layers() -> None:
    lm = tiny(TEXT)
    weights = {name: weight.clone() for name, weight in lm.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    seconds = measure_candidates(lm, cpu_candidates())
    assert torch.equal(torch.rand(1), expected), "measuring must draw no random numbers"
    assert list(seconds) == [candidate.name for candidate in cpu_candidates()]
    assert all(value > 0 for value in seconds.values())
    assert lm.state_dict().keys() == weights.keys()
    assert all(torch.equal(lm.state_dict()[name], weight) for name, weight in weights.items())


def test_layers_of_any_precision_can_be_measured() -> None:
    assert measure_candidates(tiny(TEXT).half(), cpu_candidates())["float32"] > 0


@needs_half
@pytest.mark.parametrize("times", [HALF_IS_FASTER, HALF_IS_SLOWER], ids=["faster", "slower"])
def test_large_models_are_loaded_as_measured(
    times: tuple[float, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_module, "SMALL_BELOW", 0)
    monkeypatch.setattr(candidates_module, "measure_candidates", Stopwatch(*times))
    folder = tiny_model(tmp_path / "model")
    expected = "float16" if times == HALF_IS_FASTER else "float32"
    model = songloom.load(folder, device="cpu")
    assert model.dtype == getattr(torch, expected)
    asked = songloom.load(folder, device="cpu", dtype=expected)  # type: ignore[arg-type]
    request = songloom.GenerationRequest(prompt="jazz", duration=0.3, seed=1)
    assert torch.equal(model.generate(request).tokens, asked.generate(request).tokens)


def test_small_models_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopwatch = Stopwatch(*HALF_IS_SLOWER)
    monkeypatch.setattr(candidates_module, "measure_candidates", stopwatch)
    model = songloom.load(tiny_model(tmp_path / "model"), device="cpu")
    assert model.dtype == cpu_candidates()[-1].dtype
    assert stopwatch.measurements == 0
    assert read_records() == ()


@pytest.mark.usefixtures("both")
def test_models_of_a_shape_list_what_was_measured(home: Path) -> None:
    folder = tiny_model(home / "models" / "mine")
    choose_candidate(songloom.load(folder, dtype="float32")._components.lm, Stopwatch(1.0, 0.5))
    listings = {listing.name: listing for listing in list_models()}
    [record] = listings["mine"].precisions
    assert asdict(record)["precision"] == "float16"
    assert listings["nano"].precisions == ()
