from random import Random

from hypothesis import given
from hypothesis import strategies as st

from songloom.training.captions import full_caption, mixed_caption

TAGS = {"genre": ("rock", "pop"), "key": ("C minor",), "bpm": ("120 bpm",)}
WORDS = {"rock", "pop", "C minor", "120 bpm"}


def captions(description: str, count: int = 300) -> list[str]:
    return [mixed_caption(description, TAGS, Random(seed)) for seed in range(count)]


def test_all_that_is_known_in_order() -> None:
    assert full_caption("my song", TAGS) == "my song, rock, pop, C minor, 120 bpm"
    assert full_caption("", {}) == ""


def test_nothing_is_said_twice() -> None:
    assert full_caption("Rock in C minor.", TAGS) == "Rock in C minor, pop, 120 bpm"
    mixed = {mixed_caption("Rock in C minor, 120 BPM, pop", TAGS, Random(i)) for i in range(50)}
    assert any("Rock in C minor, 120 BPM, pop" in caption for caption in mixed)
    assert not any(caption.casefold().count("c minor") > 1 for caption in mixed)


def test_every_tag_reaches_training_and_may_be_missing() -> None:
    mixed = captions("my song")
    for word in (*WORDS, "my song"):
        share = sum(word in caption.split(", ") for caption in mixed) / len(mixed)
        assert 0.3 < share < 0.9, word


def test_the_description_alone_and_tags_alone_happen() -> None:
    mixed = captions("my song")
    assert "my song" in mixed
    assert any("my song" not in caption for caption in mixed)


def test_the_order_changes() -> None:
    assert len({caption for caption in captions("") if len(caption.split(", ")) == 4}) > 5


@given(st.text(), st.integers())
def test_never_empty_where_something_is_known(description: str, seed: int) -> None:
    caption = mixed_caption(description, TAGS, Random(seed))
    said = {word for word in WORDS if word in caption}
    assert said or (description.strip() and description.strip() in caption)


@given(st.text())
def test_without_tags_it_is_the_description(description: str) -> None:
    assert mixed_caption(description, {}, Random(0)) == description.strip()
