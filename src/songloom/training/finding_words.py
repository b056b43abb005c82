"""Findings of a training in words, for every place that shows them.

A falling loss alone is no ground for praise: on songs that a codec cannot hold, most of it is what
a table of frequencies knows. So sentences name what they rest on, and say no more than that.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from songloom.checkpoints.catalogue import NANO
from songloom.training.baselines import Baselines
from songloom.training.fidelity import Fidelity, Flaws, Grade
from songloom.training.memorization import MemorizationCheck
from songloom.training.summary import (
    Ceiling,
    Distances,
    TrainingSummary,
    describe_held_out,
)

NOTEWORTHY = 0.05
"""Smaller relative changes of a distance are called none."""
MANY_FLAWS = 0.25
"""Clips that are silent for a larger share deserve a warning."""
CLIPPED = 0.001
"""And so do those that clip for a larger share of their samples."""
Tone = Literal["good", "plain", "warning"]


def describe_grade(grade: Grade, what: str = "these songs", base: str = NANO) -> str:
    """Say how well a model's codec carries music.

    Args:
        grade: that was measured.
        what: the music, such as "this song".
        base: the model.
    """
    larger = (
        "a larger model, such as small, has another codec"
        if base == NANO
        else "a model with another codec may carry more"
    )
    match grade:
        case "well":
            return f"This model can carry {what} well: through its codec little is lost."
        case "roughly":
            return (
                f"This model can carry {what} roughly: through its codec the outline stays and "
                f"detail is lost; {larger}."
            )
        case "hardly":
            return (
                f"This model can hardly carry {what}: through its codec most of the sound is "
                f"lost, so no training on it will sound like it; {larger}."
            )


def describe_ceiling(ceiling: Ceiling, base: str) -> str:
    """The grade of the songs, on what it rests, and what tuning the decoder changed."""
    one = ceiling.songs == 1
    said = describe_grade(ceiling.fidelity.grade, "this song" if one else "these songs", base)
    which = describe_held_out(ceiling.songs) if ceiling.held_out else _songs(ceiling.songs)
    measured = f"Measured on {which}: {describe_fidelity(ceiling.fidelity)}"
    if ceiling.before is not None:
        measured += f" (with the base's decoder: {describe_fidelity(ceiling.before)})"
    return f"{said} {measured}."


def describe_fidelity(fidelity: Fidelity) -> str:
    """The three figures."""
    return (
        f"log-mel distance {fidelity.log_mel:.2f}, pitch agrees in {fidelity.chroma:.0%}, "
        f"SI-SDR {fidelity.si_sdr:.1f} dB"
    )


def describe_distances(distances: Distances, held_out: int) -> str:
    """Whether clips sound nearer to the held-out songs than before, with all that gives scale."""
    change = distances.after / distances.before - 1 if distances.before else 0.0
    songs = describe_held_out(held_out)
    if change <= -NOTEWORTHY:
        said = f"The clips' sound is nearer to {songs} than the base model's"
    elif change < NOTEWORTHY:
        said = f"The clips' sound is about as far from {songs} as the base model's"
    else:
        said = f"The clips' sound is farther from {songs} than the base model's"
    scale = [f"{distances.before:.2f} before", f"{distances.after:.2f} after"]
    if distances.others is not None:
        scale.append(f"your other songs {distances.others:.2f}")
    through = "itself" if held_out == 1 else "themselves"
    scale.append(f"{songs} {through} through the codec {distances.codec:.2f}")
    return f"{said} (spectral distance: {', '.join(scale)})."


def describe_flaws(before: Flaws, after: Flaws) -> str:
    """Silence and clipping of the clips."""
    return (
        f"{after.silent:.0%} of the new clips is silent ({before.silent:.0%} before); "
        f"{after.clipped:.2%} of the samples clip ({before.clipped:.2%} before)."
    )


def is_flawed(flaws: Flaws) -> bool:
    """Whether clips deserve a warning."""
    return flaws.silent > MANY_FLAWS or flaws.clipped > CLIPPED


def describe_loss(summary: TrainingSummary) -> str:
    """The loss beside what needs no model; empty where nothing was measured."""
    before, after, baselines = summary.before, summary.after, summary.findings.baselines
    if before is None or after is None:
        return ""
    said = (
        f"The loss on {describe_held_out(summary.held_out)} went from {before.loss:.2f} to "
        f"{after.loss:.2f} nats"
    )
    if baselines is None:
        return f"{said}."
    said += (
        f"; guessing has {baselines.uniform:.2f}, and a table of how frequent each token is in the "
        f"training songs {baselines.table:.2f}."
    )
    if after.loss >= baselines.uniform:
        return f"{said} It is no better than guessing."
    if after.loss >= baselines.table:
        return f"{said} It is no better than that table."
    if before.loss > baselines.table:
        share = (before.loss - baselines.table) / (before.loss - after.loss)
        said += f" {share:.0%} of its fall is what the table knows, too."
    return said


def describe_training(summary: TrainingSummary, memorisation: MemorizationCheck | None) -> str:
    """The result of a training in a few sentences: the ceiling, then sounds, or else the loss."""
    findings, parts = summary.findings, []
    if findings.ceiling is not None:
        grade, one = findings.ceiling.fidelity.grade, findings.ceiling.songs == 1
        what = "this song" if one else "these songs"
        parts.append(describe_grade(grade, what, summary.base))
    if findings.distances is not None:
        parts.append(describe_distances(findings.distances, summary.held_out))
    elif loss := describe_loss(summary):
        parts.append(loss)
    if not summary.held_out:
        trained = len(summary.songs)
        parts.append(
            f"Trained on {_songs(trained)}. No song was held out, so only your ears can tell what "
            "it learned: listen."
        )
    after = findings.flaws_after
    if after is not None and is_flawed(after) and findings.flaws_before is not None:
        parts.append(f"Careful: {_lower_first(describe_flaws(findings.flaws_before, after))}")
    if memorisation is not None and memorisation.verdict == "copied":
        parts.append("Careful: it repeats a stretch of a song it trained on; see below.")
    return " ".join(parts)


def tone_of(summary: TrainingSummary, memorisation: MemorizationCheck | None) -> Tone:
    """How to color what `describe_training` says: praise needs sounds that are nearer."""
    findings = summary.findings
    ceiling, distances, after = findings.ceiling, findings.distances, findings.flaws_after
    copied = memorisation is not None and memorisation.verdict == "copied"
    if copied or (after is not None and is_flawed(after)):
        return "warning"
    if ceiling is not None and ceiling.fidelity.grade == "hardly":
        return "warning"
    if distances is None or ceiling is None or not distances.before:
        return "plain"
    change = distances.after / distances.before - 1
    if change >= NOTEWORTHY:
        return "warning"
    return "good" if change <= -NOTEWORTHY else "plain"


def describe_sounds(summary: TrainingSummary) -> list[str]:
    """All that was measured of sounds, a sentence or two each."""
    findings = summary.findings
    lines = []
    if findings.ceiling is not None:
        lines.append(describe_ceiling(findings.ceiling, summary.base))
    if findings.distances is not None:
        lines.append(describe_distances(findings.distances, summary.held_out))
    if findings.flaws_before is not None and findings.flaws_after is not None:
        lines.append(describe_flaws(findings.flaws_before, findings.flaws_after))
    return lines


def describe_as_json(
    summary: TrainingSummary, memorisation: MemorizationCheck | None = None
) -> dict[str, Any]:
    """All figures, and the sentences about them, as JSON can hold them."""
    findings, before, after = summary.findings, summary.before, summary.after
    ceiling, distances = findings.ceiling, findings.distances
    return {
        "verdict": describe_training(summary, memorisation),
        "tone": tone_of(summary, memorisation),
        "held_out_songs": summary.held_out,
        "held_out_loss_before": None if before is None else before.loss,
        "held_out_loss_after": None if after is None else after.loss,
        "loss": describe_loss(summary) or None,
        "baselines": _as_json(findings.baselines),
        "ceiling": ceiling
        and {
            "grade": ceiling.fidelity.grade,
            "text": describe_ceiling(ceiling, summary.base),
            "songs": ceiling.songs,
            "held_out": ceiling.held_out,
            **asdict(ceiling.fidelity),
            "before": _as_json(ceiling.before),
        },
        "distances": distances
        and {"text": describe_distances(distances, summary.held_out), **asdict(distances)},
        "flaws_before": _as_json(findings.flaws_before),
        "flaws_after": _as_json(findings.flaws_after),
    }


def _as_json(figures: Baselines | Fidelity | Flaws | None) -> dict[str, float] | None:
    return None if figures is None else asdict(figures)


def _songs(count: int) -> str:
    return "1 song" if count == 1 else f"{count:,} songs"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
