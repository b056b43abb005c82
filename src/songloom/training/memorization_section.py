"""The report's section on memorisation: what was compared, what was found, what that means."""

from __future__ import annotations

from collections.abc import Sequence

from songloom.training.markup import escape, quote_text, wrap_scrolling
from songloom.training.memorization import ClipRuns, MemorizationCheck, Run, merge_longest

METHOD = (
    "Does it make new music, or replay your songs? Each clip above was compared, token by token, "
    "with everything the model trained on, and the longest stretch found there was measured. "
    "Some sharing is normal: a note held, a drum struck. The base model, which never heard these "
    "songs, and songs that were held out from training show how much."
)
LIMITS = (
    "This finds sound that is repeated. A melody played anew, in another key or at another tempo, "
    "has other tokens and is not found. Silence counts as nothing."
)


def memorization_section(check: MemorizationCheck | None, prompts: Sequence[str]) -> str:
    """Explain a check in plain words; `prompts` are those of the clips, in order."""
    if check is None or not check.after:
        return ""
    groups = [
        ("Clips of the base model", check.before, ""),
        ("Clips after training", check.after, "ours"),
        ("Excerpts of held-out songs", check.held_out, ""),
    ]
    rows = "".join(_group_row(check, name, clips, kind) for name, clips, kind in groups if clips)
    return (
        f"<section><h2>Does it copy?</h2><p>{escape(METHOD)}</p>"
        f'<div class="card"><p class="finding {check.verdict}">'
        f"{escape(describe_copying(check))}</p>"
        "<table><caption>Longest stretch found in the training songs</caption><thead><tr>"
        '<th scope="col">In</th><th scope="col" class="number">The same sound</th>'
        '<th scope="col" class="number">Its outline</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        '<p class="quiet">The same sound: all codebooks agree. Its outline: the first does.</p>'
        f"<details><summary>Clip by clip</summary>"
        f"{wrap_scrolling('Clip by clip', _clip_table(check, prompts))}</details>"
        f'<p class="quiet">{escape(LIMITS)}</p></div></section>'
    )


def describe_copying(check: MemorizationCheck) -> str:
    """The check's finding, in a few sentences without markup."""
    longest = merge_longest(check.after)
    exact, normal = seconds_text(check.seconds(longest.exact)), _normal_text(check)
    match check.verdict:
        case "clear":
            return (
                "Nothing suggests copying: the longest stretch of the same sound in the new clips "
                f"is {exact}{normal}."
            )
        case "copied":
            return (
                f"The model repeats a training song: the same sound for {exact}, in "
                f"{_place(check, longest.exact)}{normal}. Train for fewer updates, or on more "
                "songs, before you share what it makes."
            )
        case "unusual":
            same = check.is_unusual(longest.exact, check.normal.exact)
            run = longest.exact if same else longest.coarse
            return (
                "One stretch is longer than chance and style explain: "
                f"{'the same sound' if same else 'the outline of a sound'} for "
                f"{seconds_text(check.seconds(run))}, in {_place(check, run)}{normal}. "
                "Listen to both."
            )


def seconds_text(seconds: float) -> str:
    """A short time: "0 s", "0.06 s", "1.4 s"."""
    if not seconds:
        return "0 s"
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def _normal_text(check: MemorizationCheck) -> str:
    groups = [("the base model's clips", check.before), ("held-out songs", check.held_out)]
    said = [
        f"{seconds_text(check.seconds(merge_longest(clips).exact))} in {name}"
        for name, clips in groups
        if clips
    ]
    return f" (for comparison: {' and '.join(said)})" if said else ""


def _place(check: MemorizationCheck, run: Run) -> str:
    number = next(n for n, runs in enumerate(check.after, 1) if run in (runs.exact, runs.coarse))
    clip_at, song_at = run.clip_start / check.frame_rate, run.song_start / check.frame_rate
    return f"clip {number} at {clock(clip_at)}, as in “{run.song}” at {clock(song_at)}"


def clock(seconds: float) -> str:
    """A place in a recording: "0:07", "61:30"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _group_row(check: MemorizationCheck, name: str, clips: Sequence[ClipRuns], kind: str) -> str:
    longest = merge_longest(clips)
    return (
        f'<tr class="{kind}"><th scope="row">{escape(name)}</th>'
        f'<td class="number">{seconds_text(check.seconds(longest.exact))}</td>'
        f'<td class="number">{seconds_text(check.seconds(longest.coarse))}</td></tr>'
    )


def _clip_table(check: MemorizationCheck, prompts: Sequence[str]) -> str:
    names = [quote_text(prompt) for prompt in prompts]
    if len(names) != len(check.after):
        names = ["clip"] * len(check.after)
    rows = "".join(
        f'<tr><th scope="row">{number}. {name}</th>'
        f"{_run_cells(check, runs.exact)}{_run_cells(check, runs.coarse)}</tr>"
        for number, (name, runs) in enumerate(zip(names, check.after, strict=True), start=1)
    )
    columns = "".join(
        f'<th scope="col" class="number">{name}</th><th scope="col">Where</th>'
        for name in ("The same sound", "Its outline")
    )
    return (
        f'<table><thead><tr><th scope="col">Clip</th>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _run_cells(check: MemorizationCheck, run: Run) -> str:
    where = ""
    if run.song is not None:
        clip_at, song_at = run.clip_start / check.frame_rate, run.song_start / check.frame_rate
        where = f"at {clock(clip_at)}, as in {quote_text(run.song)} at {clock(song_at)}"
    return f'<td class="number">{seconds_text(check.seconds(run))}</td><td>{where}</td>'
