"""The report's section on what the codec can carry, with songs to listen to."""

from __future__ import annotations

from io import BytesIO

from songloom.audio.files import Audio, write_audio
from songloom.audio.spectrogram import height_of, spectrogram_png
from songloom.training.charts import plot, span_of
from songloom.training.finding_words import describe_ceiling
from songloom.training.markup import data_url, escape, quote_text
from songloom.training.summary import Ceiling

PITCH_TICKS = {200: "200 Hz", 1000: "1 kHz", 2000: "2 kHz", 4000: "4 kHz", 8000: "8 kHz"}
METHOD = (
    "A model hears and writes music through its codec. What the codec makes of a song is the best "
    "that any training could come to. Listen to both: the differences stay, however long you train."
)
_KINDS = {"well": "", "roughly": " unusual", "hardly": " copied"}


def ceiling_section(ceiling: Ceiling | None, base: str) -> str:
    """Say how well the model can carry the songs, and let them be heard through its codec."""
    if ceiling is None:
        return ""
    pairs = "".join(
        f'<article class="card"><h3>{quote_text(pair.title)}</h3><div class="pair">'
        f"{_figure('The song', pair.title, pair.original, 'before')}"
        f"{_figure('Through the codec', pair.title, pair.decoded, 'after')}"
        "</div></article>"
        for pair in ceiling.pairs
    )
    kind = _KINDS[ceiling.fidelity.grade]
    return (
        f"<section><h2>What the model can carry</h2><p>{escape(METHOD)}</p>"
        f'<div class="card"><p class="finding{kind}">{escape(describe_ceiling(ceiling, base))}</p>'
        '<p class="quiet">Log-mel distance: how far the loudness of bands is off, 0 being the '
        "same. Pitch: the share of moments whose strongest pitch class is the same. SI-SDR: the "
        "sound beside what is wrong with it; noise-like music has a low one.</p></div>"
        f"{pairs}</section>"
    )


def _figure(caption: str, title: str, audio: Audio, kind: str) -> str:
    return clip_figure(caption, f"{caption}: {title}", audio, kind)


def clip_figure(caption: str, name: str, audio: Audio, kind: str) -> str:
    """A sound to listen to under its spectrogram.

    Args:
        caption: to be read.
        name: what it is, for those who don't see it.
        audio: the sound.
        kind: class of the page's style sheet: "before" or "after".
    """
    file = BytesIO()
    write_audio(file, audio, format="mp3")  # which every browser plays
    sound = data_url("audio/mpeg", file.getvalue())
    picture = data_url("image/png", spectrogram_png(audio.samples, audio.sample_rate))
    name = escape(name)
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
        f'<figure class="clip {kind}"><figcaption>{escape(caption)}</figcaption>{within}'
        f'<audio controls preload="metadata" aria-label="{name}" src="{sound}"></audio></figure>'
    )
