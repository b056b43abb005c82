"""A short slice of each campaign; `make test-campaign` runs the whole."""

import json
import random
from pathlib import Path

import pytest

from tests.campaigns.kills import run_kills
from tests.campaigns.mutations import damage, run_mutations
from tests.campaigns.results import DOCUMENT, RESULTS, table_of


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("audio", 40), ("archives", 20), ("models", 20)])
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str, count: int) -> None:
    results = run_mutations(kind, tmp_path, count, seed=1)
    assert results.read + results.refused == results.files == count, results.faults
    assert (results.signals, results.tracebacks, results.hangs) == (0, 0, 0), results.faults
    assert results.refused > 0


@pytest.mark.slow
def test_kills_with_poison_lose_nothing(tmp_path: Path) -> None:
    results = run_kills(tmp_path, kills=3, seed=5)
    assert results.accepted > results.poison > 0
    assert (results.lost, results.innocents_failed, results.webhooks_missing) == (0, 0, 0), (
        results.faults
    )
    assert results.poison_succeeded == 0


def test_damage_follows_from_the_seed() -> None:
    data = bytes(range(256)) * 8
    one, again, other = (damage(data, random.Random(seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert one != data


def test_the_document_says_what_was_measured() -> None:
    assert table_of(json.loads(RESULTS.read_text())) in DOCUMENT.read_text()
