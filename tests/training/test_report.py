"""The training report: what it says, and that nothing in it is more than text."""

import base64
import math
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from songloom.errors import OutputError
from songloom.training.memorization import MemorizationCheck
from songloom.training.report import report_html, write_report
from songloom.training.state import Measured, Update
from songloom.training.summary import ClipPair, SongSummary, TrainingSummary, duration_text
from tests.training.summaries import check, clip_pair, findings, summary

VOID = {"meta", "img", "br"}


@dataclass
class Page(HTMLParser):
    """A page's elements and texts; fails where elements are not closed in order."""

    html: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def shape(self) -> list[tuple[str, list[str]]]:
        """Elements and the names of their attributes, in order."""
        return [(tag, list(attributes)) for tag, attributes in self.elements]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_it_tells_what_was_done() -> None:
    text = Page(report_html(summary(), [clip_pair()], check())).text
    for said in (
        "my-waltzes",
        "The loss on the held-out song went from 3.50 to 2.55 nats",
        "Base modelnano",
        "2 songs, 1 held out",
        "1 h 4 min",
        "2 min 43 s",
        "waltz, music box",
        "seed 7",
        "After 60 updates",
        "\u221247.5%",  # of the first codebook
        "Nothing suggests copying",
        "Bells at noon",
        "waltz, C major",
        "Apache-2.0",
        "drop_vocals",
    ):
        assert said in text, said


def test_it_is_one_file_that_asks_for_nothing() -> None:
    page = Page(report_html(summary(), [clip_pair()], check()))
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:;")
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert len(addresses) == 4
    assert all(address and address.startswith("data:") for address in addresses)
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        t for t, _ in page.elements
    }
    assert "url(" not in page.html
    assert "@import" not in page.html


def test_clips_are_the_sounds_that_were_given() -> None:
    page = Page(report_html(summary(), [clip_pair(seconds=0.5)]))
    channels = []
    for player in page.all("audio"):
        kind, _, content = (player["src"] or "").partition(";base64,")
        assert kind == "data:audio/mpeg"
        sound, rate = soundfile.read(BytesIO(base64.b64decode(content)), always_2d=True)
        assert sound.shape[0] / rate == pytest.approx(0.5, abs=0.06)
        channels.append(sound.shape[1])
    assert channels == [1, 2]
    assert all(image["alt"] for image in page.all("img"))
    assert {player["aria-label"] for player in page.all("audio")} == {
        "Before training: waltz, music box",
        "After training: waltz, music box",
    }


def at(step: int, loss: float) -> Measured:
    return Measured(step, (loss, loss + 1))


def test_the_songs_can_be_heard_through_the_codec() -> None:
    page = Page(report_html(summary(findings=findings()), [clip_pair()]))
    assert "can hardly carry this song" in page.text
    assert "log-mel distance 2.20, pitch agrees in 29%, SI-SDR -20.0 dB" in page.text
    assert "nearer to the held-out song" in page.text
    assert "10% of the new clips is silent (0% before)" in page.text
    assert [player["aria-label"] for player in page.all("audio")][:2] == [
        "The song: Bells at noon",
        "Through the codec: Bells at noon",
    ]


def test_a_copy_is_named_with_its_place() -> None:
    text = Page(report_html(summary(), [clip_pair()], check(copied_frames=60))).text
    assert "repeats a training song: the same sound for 1.2 s" in text
    assert "in clip 1 at 0:02, as in “Carousel” at 0:05" in text


def test_an_unusual_run_is_named_with_its_place() -> None:
    text = Page(report_html(summary(), [clip_pair()], check(copied_frames=30))).text
    assert "One stretch is longer than chance and style explain: the same sound for 0.60 s" in text


def test_stereo_codebooks_have_sides() -> None:
    measured = [Measured(step, (3.0, 3.1, 4.0, 4.1)) for step in (0, 5)]
    told = summary(channels=2, measured=measured, after=measured[1])
    text = Page(report_html(told)).text
    assert "codebook 1, left" in text
    assert "codebook 2, right" in text


@pytest.mark.parametrize(
    "told",
    [
        summary(songs=(), updates=[], measured=[], after=None, settings={}),
        summary(updates=[Update(1, math.nan, 0.0)], measured=[at(0, 2.0)], after=None),
        summary(updates=[Update(1, 3.0, 0.0)], measured=[at(0, 2.0)], after=at(1, 2.0)),
        summary(updates=[Update(n, 3.0, 0.0) for n in range(1, 2000)]),
    ],
)
def test_little_and_much_can_be_shown(told: TrainingSummary) -> None:
    page = Page(report_html(told, [], MemorizationCheck(50.0, (), (), ())))
    assert not re.search(r"\b(nan|inf)\b", page.html)
    assert "Does it copy?" not in page.text


# Text that means something to HTML, to templates, to terminals, or turns what follows around.
texts = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\" onerror='alert(1)' x=\"",
        "</title></style><img src=x>",
        "&lt;b&gt; $name ${verdict} {0} %s",
        "a\nb\x00c\x1b[31m\ud800",
        "\u202egnihtyna",
        "]]><!-- -->",
    ]
)


def told_with(a: str, b: str, c: str) -> str:
    song = SongSummary(a, 60, b, False, 100, {"genre" + c: (a,)})
    told = summary(name=a, base=b, licence=c, songs=(song,), settings={"x" + a: b})
    return report_html(told, [], check(copied_frames=60, title=c))


PLAIN = Page(told_with("a", "b", "c"))


@pytest.mark.slow
@given(texts, texts, texts)
def test_text_is_never_more_than_text(a: str, b: str, c: str) -> None:
    page = Page(told_with(a, b, c))
    assert page.shape() == PLAIN.shape()
    page.html.encode("utf-8")
    for text in (a, b, c):
        shown = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
        assert " ".join(shown.split()) in page.text


@pytest.mark.parametrize("prompt", ["<b>bold</b> \" ' &", "", "مقطوعة"])
def test_prompts_are_text_too(prompt: str) -> None:
    clip = clip_pair()
    pages = [
        Page(report_html(summary(), [ClipPair(text, 7, clip.before, clip.after)]))
        for text in ("plain", prompt)
    ]
    assert pages[1].all("audio")[0]["aria-label"] == f"Before training: {prompt}"
    assert (pages[0].shape() == pages[1].shape()) == bool(prompt)


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", summary(name="naïve \ud800"))
    assert "naïve \ufffd" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "missing" / "report.html", summary())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3599.6, "1 h"),
        (3600 + 29.9, "1 h"), (7199.9, "2 h"), (12_000, "3 h 20 min"),
    ],
)  # fmt: skip
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
