"""What is said of a training rests on what was measured, and says no more."""

from dataclasses import replace
from typing import Any

import pytest

from songloom.training.baselines import Baselines
from songloom.training.fidelity import Fidelity, Flaws
from songloom.training.finding_words import (
    describe_as_json,
    describe_ceiling,
    describe_distances,
    describe_loss,
    describe_training,
    tone_of,
)
from songloom.training.state import Measured
from songloom.training.summary import Ceiling, Distances, Findings, TrainingSummary
from tests.training.summaries import SONGS, check, findings, summary

WELL, HARDLY = Fidelity(0.5, 0.9, 9.0), Fidelity(2.2, 0.29, -20.0)
TWO_HELD_OUT = (*SONGS, replace(SONGS[2], title="Bells at dusk"))


def with_losses(before: float, after: float, **changes: Any) -> TrainingSummary:
    measured = [Measured(0, (before,)), Measured(60, (after,))]
    return summary(measured=measured, after=measured[-1], **changes)


@pytest.mark.parametrize(
    ("fidelity", "said"),
    [
        (WELL, "can carry this song well"),
        (Fidelity(0.9, 0.8, 3.0), "can carry this song roughly"),
        (HARDLY, "can hardly carry this song"),
    ],
)
def test_the_ceiling(fidelity: Fidelity, said: str) -> None:
    text = describe_ceiling(Ceiling(1, True, fidelity), "nano")
    assert said in text
    assert "Measured on the held-out song:" in text
    assert ("larger" in text) == (fidelity is not WELL)
    assert "songs" not in text
    many = describe_ceiling(Ceiling(3, True, fidelity), "nano")
    assert said.replace("this song", "these songs") in many
    assert "the 3 held-out songs" in many
    assert "larger" not in describe_ceiling(Ceiling(1, True, fidelity), "medium")
    assert "Measured on 2 songs:" in describe_ceiling(Ceiling(2, False, fidelity), "nano")


def test_a_tuned_decoder_stands_beside_the_base_s() -> None:
    text = describe_ceiling(Ceiling(1, True, WELL, HARDLY), "nano")
    assert "with the base's decoder: log-mel distance 2.20" in text


@pytest.mark.parametrize(
    ("after", "said"), [(1.1, "is nearer to"), (2.15, "about as far from"), (2.5, "farther from")]
)
def test_distances(after: float, said: str) -> None:
    text = describe_distances(Distances(2.2, after, 1.4, 0.8), 1)
    assert said in text
    assert f"2.20 before, {after:.2f} after, your other songs 0.80" in text
    assert "the held-out song itself through the codec 1.40" in text
    assert "the 2 held-out songs themselves" in describe_distances(Distances(2, 2, 1, None), 2)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (8.7, 7.7, "no better than guessing"),
        (8.7, 4.5, "no better than that table"),
        (8.7, 3.4, "80% of its fall is what the table knows, too"),
        (4.0, 3.0, "4.45."),  # below the table from the beginning
    ],
)
def test_a_loss_stands_beside_what_needs_no_model(before: float, after: float, said: str) -> None:
    told = with_losses(before, after, findings=Findings(baselines=Baselines(7.62, 4.45)))
    text = describe_loss(told)
    assert text.startswith(f"The loss on the held-out song went from {before:.2f} to {after:.2f}")
    assert "guessing has 7.62" in text
    assert said in text


def test_songs_are_many_only_where_they_are() -> None:
    one = describe_training(summary(findings=findings()), check())
    assert "held-out songs" not in one
    two = describe_training(summary(songs=TWO_HELD_OUT, findings=findings()), check())
    assert "the 2 held-out songs" in two


def test_a_fallen_loss_alone_is_called_nothing_more() -> None:
    told = with_losses(8.3, 2.7)
    assert describe_training(told, None) == (
        "The loss on the held-out song went from 8.30 to 2.70 nats."
    )
    assert tone_of(told, None) == "plain"


def test_praise_needs_sounds_that_are_nearer_and_songs_that_can_be_carried() -> None:
    good = findings(ceiling=Ceiling(1, True, WELL))
    assert tone_of(summary(findings=good), check()) == "good"
    assert tone_of(summary(findings=findings()), check()) == "warning"  # hardly carried
    farther = findings(ceiling=Ceiling(1, True, WELL), distances=Distances(2, 3, 1, None))
    assert tone_of(summary(findings=farther), check()) == "warning"
    as_far = findings(ceiling=Ceiling(1, True, WELL), distances=Distances(2, 2, 1, None))
    assert tone_of(summary(findings=as_far), check()) == "plain"
    silent = replace(good, flaws_after=Flaws(0.5, 0.0))
    assert tone_of(summary(findings=silent), check()) == "warning"
    assert "Careful: 50% of the new" in describe_training(summary(findings=silent), check())
    assert tone_of(summary(findings=good), check(copied_frames=60)) == "warning"


def test_without_held_out_songs_only_ears_can_tell() -> None:
    told = summary(songs=SONGS[:2], measured=[], after=None)
    text = describe_training(told, check(copied_frames=60))
    assert text.startswith("Trained on 2 songs. No song was held out, so only your ears can tell")
    assert "Careful: it repeats" in text


def test_figures_for_machines() -> None:
    told = describe_as_json(summary(findings=findings()), check())
    assert told["ceiling"]["grade"] == "hardly"
    assert told["ceiling"]["log_mel"] == 2.2
    assert told["distances"]["others"] == 0.8
    assert told["flaws_after"] == {"silent": 0.1, "clipped": 0.0}
    assert told["baselines"] == {"uniform": 7.6, "table": 3.5}
    assert told["verdict"].startswith("This model can hardly carry this song")
    nothing = describe_as_json(summary(measured=[], after=None))
    assert nothing["ceiling"] is None
    assert nothing["loss"] is None
