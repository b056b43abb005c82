"""The training report: one HTML file that shows, and lets one hear, what a training did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from io import BytesIO
from pathlib import Path
from string import Template

from songloom import __version__
from songloom.audio.files import Audio, write_audio
from songloom.audio.spectrogram import height_of, spectrogram_png
from songloom.training.charts import (
    Line,
    bar_table,
    line_chart,
    plot,
    smoothed,
    span_of,
    thinned,
)
from songloom.training.markup import data_url, escaped, quoted, scrolling
from songloom.training.memorisation import MemorisationCheck
from songloom.training.memorisation_section import memorisation_section
from songloom.training.state import Measured
from songloom.training.summary import (
    ClipPair,
    Setting,
    SongSummary,
    TrainingSummary,
    codebook_name,
    duration_text,
    label_counts,
    licence_text,
)
from songloom.whole_files import write_text

PITCH_TICKS = {200: "200 Hz", 1000: "1 kHz", 2000: "2 kHz", 4000: "4 kHz", 8000: "8 kHz"}
NOTEWORTHY = 0.02
"""Smaller relative changes of the held-out loss are called none."""
MOST_BANDS = 80
"""Stretches of the loss curve that say their numbers under a pointer."""
_HELD_OUT = '<span class="tag">held out</span>'


def write_report(
    path: Path,
    summary: TrainingSummary,
    clips: Sequence[ClipPair] = (),
    memorisation: MemorisationCheck | None = None,
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
    memorisation: MemorisationCheck | None = None,
) -> str:
    """Give the report as a page that holds its audio, its pictures and nothing that asks a network.

    Args:
        summary: what was trained, on what, and how the losses went.
        clips: pieces of the same prompts and seeds before and after, at the level to be heard.
        memorisation: what the clips share with the training songs, clip by clip in the same order.
    """
    sections = [
        _listening(clips),
        _learning(summary),
        memorisation_section(memorisation, [clip.prompt for clip in clips]),
        _songs(summary.songs),
        _settings(summary),
    ]
    template = resources.files("songloom").joinpath("assets/report.html")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escaped(f"{summary.name} - songloom training report"),
        name=quoted(summary.name),
        verdict=escaped(verdict(summary, memorisation)),
        facts=_facts(summary),
        sections="\n".join(section for section in sections if section),
        version=escaped(__version__),
    )


def verdict(summary: TrainingSummary, memorisation: MemorisationCheck | None = None) -> str:
    """What a training achieved, in a sentence or two."""
    copies = memorisation is not None and memorisation.verdict == "copied"
    careful = " Careful: it repeats a stretch of a song it trained on; see below." if copies else ""
    change = summary.loss_change
    if change is None:
        return (
            f"Trained on {_songs_text(summary)}. No songs were held out, so only your ears can "
            f"tell what it learned: listen.{careful}"
        )
    if change <= -NOTEWORTHY:
        said = (
            f"It learned something that carries over to songs it never heard: they surprise it "
            f"{-change:.0%} less than before."
        )
    elif change < NOTEWORTHY:
        said = (
            "Songs it never heard surprise it about as much as before: it learned little that "
            "carries over. More updates, or a higher learning rate, may help; listen first."
        )
    else:
        said = (
            f"Songs it never heard surprise it {change:.0%} more than before: what it learned "
            "does not carry over. Fewer updates, a lower learning rate or more songs may help."
        )
    return said + careful


def _songs_text(summary: TrainingSummary) -> str:
    count = sum(not song.held_out for song in summary.songs)
    return "1 song" if count == 1 else f"{count:,} songs"


def _facts(summary: TrainingSummary) -> str:
    held_out = sum(song.held_out for song in summary.songs)
    facts = {
        "Base model": summary.base,
        "Trained": "an adapter (LoRA)" if summary.method == "lora" else "all weights",
        "On": f"{_songs_text(summary)}" + (f", {held_out:,} held out" if held_out else ""),
        "Music": duration_text(summary.song_seconds),
        "Updates": f"{summary.steps:,}",
        "Took": duration_text(summary.seconds),
    }
    rows = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{quoted(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{rows}</dl>'


def _listening(clips: Sequence[ClipPair]) -> str:
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
        f"{cards}</section>"
    )


def _prompt(clip: ClipPair) -> str:
    return quoted(clip.prompt) if clip.prompt.strip() else "No prompt"


def _clip(moment: str, prompt: str, audio: Audio) -> str:
    file = BytesIO()
    write_audio(file, audio, format="mp3")  # which every browser plays
    sound = data_url("audio/mpeg", file.getvalue())
    picture = data_url("image/png", spectrogram_png(audio.samples, audio.sample_rate))
    name = escaped(f"{moment} training: {prompt}")
    image = f'<img src="{picture}" alt="Spectrogram. {name}">'
    seconds = span_of([0, audio.seconds])
    across = [(tick / audio.seconds, f"{tick:g} s") for tick in seconds.ticks]
    up = [(height_of(pitch, audio.sample_rate), text) for pitch, text in PITCH_TICKS.items()]
    within = plot(
        image,
        [(at, text) for at, text in across if at <= 1],
        [(at, text) for at, text in up if at <= 1],
    )
    return (
        f'<figure class="clip {moment.lower()}"><figcaption>{moment}</figcaption>{within}'
        f'<audio controls preload="metadata" aria-label="{name}" src="{sound}"></audio></figure>'
    )


def _learning(summary: TrainingSummary) -> str:
    return (
        "<section><h2>What it learned</h2>"
        "<p>Music is written as tokens, and a model is trained to foretell the next one. Its loss "
        "is how much the true one surprises it (in nats; lower is better). On songs held out from "
        "training, a falling loss means that it learned their style; where it rises again, the "
        "model begins to learn its songs by heart.</p>"
        f"{_before_and_after(summary)}{_loss_chart(summary)}{_codebook_chart(summary)}</section>"
    )


def _before_and_after(summary: TrainingSummary) -> str:
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
        f'<tr><th scope="row">{escaped(name)}</th><td class="number">{old:.3f}</td>'
        f'<td class="number">{new:.3f}</td>{_change(new / old - 1)}</tr>'
        for name, old, new in losses
    )
    return (
        '<div class="card"><table><caption>Loss on held-out songs, in nats</caption><thead><tr>'
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
    rates = thinned([(float(update.step), update.learning_rate) for update in updates], MOST_BANDS)
    losses = thinned(raw, MOST_BANDS)
    hover = [
        (step, f"update {step:,.0f}: loss {loss:.3f}, learning rate {rate:.2e}")
        for (step, loss), (_, rate) in zip(losses, rates, strict=True)
    ]
    label = "Loss by update."
    if held_out:
        label += f" On held-out songs from {held_out[0][1]:.2f} to {held_out[-1][1]:.2f} nats."
    chart = line_chart(
        [
            Line("training, update by update", raw, "raw"),
            Line("training, smoothed", smoothed(raw), "training"),
            Line("held-out songs", held_out, "held-out", dots=True),
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
        label="Loss on held-out songs by update, for each codebook; the table below has numbers.",
        x_name="updates",
        y_name="loss (nats)",
        hover=[(float(measured.step), _measured_text(measured)) for measured in summary.measured],
    )
    header = "".join(f'<th scope="col" class="number">{escaped(line.name)}</th>' for line in lines)
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
        f"{scrolling('Held-out losses', table)}</details></div>"
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
        f'<tr><th scope="row">{quoted(song.title)}</th>'
        f'<td class="number">{duration_text(song.seconds)}</td><td>{quoted(song.caption)}</td>'
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
        f'<div class="card">{scrolling("Your songs", table)}</div></section>'
    )


def _settings(summary: TrainingSummary) -> str:
    return (
        "<section><h2>Licence and settings</h2>"
        f"<p>{escaped(summary.base)} is the base. {escaped(licence_text(summary.licence))}</p>"
        '<details><summary>All settings</summary><div class="card settings"><table><thead><tr>'
        '<th scope="col">Setting</th><th scope="col">Value</th></tr></thead>'
        f"<tbody>{_setting_rows(summary.settings)}</tbody></table></div></details></section>"
    )


def _setting_rows(settings: Mapping[str, Setting]) -> str:
    return "".join(
        f'<tr><th scope="row"><code>{escaped(name)}</code></th>'
        f"<td>{quoted(setting_text(value))}</td></tr>"
        for name, value in settings.items()
    )


def setting_text(value: Setting) -> str:
    """A setting as people read it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
