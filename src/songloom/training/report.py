"""The training report: one HTML file that shows, and lets one hear, what a training did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template

from songloom.audio.files import Audio
from songloom.training.ceiling_section import ceiling_section, clip_figure
from songloom.training.charts import (
    Line,
    bar_table,
    line_chart,
    smooth_points,
    thin_points,
)
from songloom.training.finding_words import (
    describe_distances,
    describe_flaws,
    describe_loss,
    describe_training,
    is_flawed,
)
from songloom.training.markup import escape, quote_text, wrap_scrolling
from songloom.training.memorization import MemorizationCheck
from songloom.training.memorization_section import memorization_section
from songloom.training.state import Measured
from songloom.training.summary import (
    ClipPair,
    Setting,
    SongSummary,
    TrainingSummary,
    codebook_name,
    describe_held_out,
    duration_text,
    label_counts,
    license_text,
)
from songloom.version import __version__
from songloom.whole_files import write_text

MOST_BANDS = 80
"""Stretches of the loss curve that say their numbers under a pointer."""
_DISTANCE = (
    "The spectral distance compares how loud each of 64 bands is on average and how much that "
    "varies. It tells whether sounds are alike, not whether the music is; a few clips tell it "
    "roughly."
)
_HELD_OUT = '<span class="tag">held out</span>'


def write_report(
    path: Path,
    summary: TrainingSummary,
    clips: Sequence[ClipPair] = (),
    memorisation: MemorizationCheck | None = None,
) -> None:
    """Write the report to `path`, at once or not at all.

    Raises:
        AudioError: a clip is empty or holds samples that are not finite.
        OutputError: the file cannot be written.
    """
    write_text(path, report_html(summary, clips, memorisation))


def report_html(
    summary: TrainingSummary,
    clips: Sequence[ClipPair] = (),
    memorisation: MemorizationCheck | None = None,
) -> str:
    """Give the report as a page that holds its audio, its pictures and nothing that asks a network.

    Args:
        summary: what was trained, on what, and how the losses went.
        clips: pieces of the same prompts and seeds before and after, at the level to be heard.
        memorisation: what the clips share with the training songs, clip by clip in the same order.
    """
    sections = [
        ceiling_section(summary.findings.ceiling, summary.base),
        _listening_section(summary, clips),
        _loss_section(summary),
        memorization_section(memorisation, [clip.prompt for clip in clips]),
        _songs(summary.songs),
        _settings(summary),
    ]
    template = resources.files("songloom").joinpath("assets/report.html")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"{summary.name} - songloom training report"),
        name=quote_text(summary.name),
        verdict=escape(describe_training(summary, memorisation)),
        facts=_facts(summary),
        sections="\n".join(section for section in sections if section),
        version=escape(__version__),
    )


def _songs_text(summary: TrainingSummary) -> str:
    count = sum(not song.held_out for song in summary.songs)
    return "1 song" if count == 1 else f"{count:,} songs"


def _facts(summary: TrainingSummary) -> str:
    held_out = summary.held_out
    facts = {
        "Base model": summary.base,
        "Trained": "an adapter (LoRA)" if summary.method == "lora" else "all weights",
        "On": f"{_songs_text(summary)}" + (f", {held_out:,} held out" if held_out else ""),
        "Music": duration_text(summary.song_seconds),
        "Updates": f"{summary.steps:,}",
        "Took": duration_text(summary.seconds),
    }
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{quote_text(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{rows}</dl>'


def _listening_section(summary: TrainingSummary, clips: Sequence[ClipPair]) -> str:
    if not clips:
        return ""
    cards = "".join(
        f'<article class="card"><h3>{_prompt(clip)}</h3>'
        f'<p class="quiet">seed {clip.seed}</p><div class="pair">'
        f"{_clip('Before', clip.prompt, clip.before)}{_clip('After', clip.prompt, clip.after)}"
        "</div></article>"
        for clip in clips
    )
    return (
        "<section><h2>Listen: before and after</h2>"
        "<p>The same prompts and seeds, by the base model and by yours. The pictures show what "
        "sounds when: time from left to right, pitch from bottom to top, loud is bright.</p>"
        f"{_sounds(summary)}{cards}</section>"
    )


def _sounds(summary: TrainingSummary) -> str:
    """The measurements of the clips, in words."""
    findings = summary.findings
    said = []
    if findings.distances is not None:
        text = describe_distances(findings.distances, summary.held_out)
        said.append(f'<p>{escape(text)}</p><p class="quiet">{escape(_DISTANCE)}</p>')
    before, after = findings.flaws_before, findings.flaws_after
    if before is not None and after is not None:
        kind = ' class="finding unusual"' if is_flawed(after) else ""
        said.append(f"<p{kind}>{escape(describe_flaws(before, after))}</p>")
    return f'<div class="card">{"".join(said)}</div>' if said else ""


def _prompt(clip: ClipPair) -> str:
    return quote_text(clip.prompt) if clip.prompt.strip() else "No prompt"


def _clip(moment: str, prompt: str, audio: Audio) -> str:
    return clip_figure(moment, f"{moment} training: {prompt}", audio, moment.lower())


def _loss_section(summary: TrainingSummary) -> str:
    loss = describe_loss(summary)
    return (
        "<section><h2>The loss</h2>"
        "<p>Music is written as tokens, and a model is trained to foretell the next one. Its loss "
        "is how much the true one surprises it (in nats; lower is better). It says how well the "
        "tokens are foretold, not how well tokens hold the music: see above for that. Where it "
        "rises again on music held out from training, the model begins to learn its songs by "
        f"heart.</p>{f'<p>{escape(loss)}</p>' if loss else ''}"
        f"{_comparison_section(summary)}{_loss_chart(summary)}{_codebook_chart(summary)}</section>"
    )


def _comparison_section(summary: TrainingSummary) -> str:
    before, after = summary.before, summary.after
    if before is None or after is None:
        return ""
    names = ["all", *(codebook_name(k, summary.channels) for k in range(len(before.per_codebook)))]
    losses = zip(
        names,
        (before.loss, *before.per_codebook),
        (after.loss, *after.per_codebook),
        strict=True,
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{old:.3f}</td>'
        f'<td class="number">{new:.3f}</td>{_change(new / old - 1)}</tr>'
        for name, old, new in losses
    )
    where = describe_held_out(summary.held_out)
    return (
        f'<div class="card"><table><caption>Loss on {where}, in nats</caption><thead><tr>'
        '<th scope="col">Tokens</th><th scope="col" class="number">Before</th>'
        f'<th scope="col" class="number">After {after.step:,} updates</th>'
        f'<th scope="col" class="number">Change</th></tr></thead><tbody>{rows}</tbody></table>'
        '<p class="quiet">Codebook 1 holds the outline of the sound; the others hold ever finer '
        "detail, which is closer to noise and harder to foretell.</p></div>"
    )


def _change(share: float) -> str:
    kind = "lower" if share < 0 else "higher"
    return f'<td class="number {kind}">{share:+.1%}</td>'.replace("-", "\u2212", 1)


def _loss_chart(summary: TrainingSummary) -> str:
    # The others were left out of the training, too.
    updates = [update for update in summary.updates if math.isfinite(update.loss)]
    raw = [(float(update.step), update.loss) for update in updates]
    held_out = [(float(measured.step), measured.loss) for measured in summary.measured]
    kept = [(float(summary.after.step), summary.after.loss)] if summary.after else []
    rates = thin_points(
        [(float(update.step), update.learning_rate) for update in updates], MOST_BANDS
    )
    losses = thin_points(raw, MOST_BANDS)
    hover = [
        (step, f"update {step:,.0f}: loss {loss:.3f}, learning rate {rate:.2e}")
        for (step, loss), (_, rate) in zip(losses, rates, strict=True)
    ]
    label, songs = "Loss by update.", describe_held_out(summary.held_out)
    if held_out:
        label += f" On {songs} from {held_out[0][1]:.2f} to {held_out[-1][1]:.2f} nats."
    chart = line_chart(
        [
            Line("training, update by update", raw, "raw"),
            Line("training, smoothed", smooth_points(raw), "training"),
            Line(songs.removeprefix("the "), held_out, "held-out", dots=True),
            Line("the weights that were kept", kept, "kept"),
        ],
        label=label,
        x_name="updates",
        y_name="loss (nats)",
        hover=hover,
    )
    return f'<div class="card"><h3>Loss, update by update</h3>{chart}</div>'


def _codebook_chart(summary: TrainingSummary) -> str:
    if not summary.measured:
        return ""
    lines = [
        Line(
            codebook_name(k, summary.channels),
            [(float(measured.step), measured.per_codebook[k]) for measured in summary.measured],
            _codebook_style(k, summary.channels),
            dots=True,
        )
        for k in range(len(summary.measured[0].per_codebook))
    ]
    chart = line_chart(
        lines,
        label=f"Loss on {describe_held_out(summary.held_out)} by update, for each codebook; the "
        "table below has numbers.",
        x_name="updates",
        y_name="loss (nats)",
        hover=[(float(measured.step), _measured_text(measured)) for measured in summary.measured],
    )
    header = "".join(f'<th scope="col" class="number">{escape(line.name)}</th>' for line in lines)
    rows = "".join(
        f'<tr><th scope="row" class="number">{measured.step:,}</th>'
        + "".join(f'<td class="number">{loss:.3f}</td>' for loss in measured.per_codebook)
        + "</tr>"
        for measured in summary.measured
    )
    table = (
        f'<table><thead><tr><th scope="col" class="number">updates</th>{header}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    return (
        f'<div class="card"><h3>Held-out loss of each codebook</h3>{chart}'
        "<details><summary>In numbers</summary>"
        f"{wrap_scrolling('Held-out losses', table)}</details></div>"
    )


def _codebook_style(index: int, channels: int) -> str:
    dashed = channels == 2 and index % 2 == 1
    return f"c{index // channels % 4 + 1}" + (" dashed" if dashed else "")


def _measured_text(measured: Measured) -> str:
    losses = ", ".join(f"{loss:.3f}" for loss in measured.per_codebook)
    return f"update {measured.step:,}: {losses}"


def _songs(songs: Sequence[SongSummary]) -> str:
    if not songs:
        return ""
    bars = "".join(
        f'<div class="card">{bar_table(name.capitalize(), counts)}</div>'
        for name, counts in label_counts(songs).items()
    )
    rows = "".join(
        f'<tr><th scope="row">{quote_text(song.title)}</th>'
        f'<td class="number">{duration_text(song.seconds)}</td><td>{quote_text(song.caption)}</td>'
        f"<td>{_HELD_OUT if song.held_out else 'training'}</td></tr>"
        for song in songs
    )
    table = (
        '<table class="songs"><thead><tr><th scope="col">Song</th>'
        '<th scope="col" class="number">Length</th><th scope="col">Caption</th>'
        f'<th scope="col">Used for</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    labels = f'<div class="labels">{bars}</div>' if bars else ""
    return (
        f"<section><h2>Your songs</h2>{labels}"
        f'<div class="card">{wrap_scrolling("Your songs", table)}</div></section>'
    )


def _settings(summary: TrainingSummary) -> str:
    return (
        "<section><h2>Licence and settings</h2>"
        f"<p>{escape(summary.base)} is the base. {escape(license_text(summary.licence))}</p>"
        '<details><summary>All settings</summary><div class="card settings"><table><thead><tr>'
        '<th scope="col">Setting</th><th scope="col">Value</th></tr></thead>'
        f"<tbody>{_setting_rows(summary.settings)}</tbody></table></div></details></section>"
    )


def _setting_rows(settings: Mapping[str, Setting]) -> str:
    return "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th>'
        f"<td>{quote_text(setting_text(value))}</td></tr>"
        for name, value in settings.items()
    )


def setting_text(value: Setting) -> str:
    """A setting as people read it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
