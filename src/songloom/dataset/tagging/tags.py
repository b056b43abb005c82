"""From the probabilities of classes to words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

PARENT = "---"
"""Between a genre and its style in the classes' names: "Electronic---House"."""

MOST_TAGS = 8
"""Of a kind; a caption has room for no more."""


def select_above(
    probabilities: npt.NDArray[np.floating], classes: Sequence[str], threshold: float
) -> dict[str, float]:
    """The classes whose probability `(classes,)` is above a threshold, most likely first."""
    order = np.argsort(-probabilities, kind="stable")
    return {
        classes[index]: float(probabilities[index])
        for index in order
        if probabilities[index] > threshold
    }


def genres_and_styles(names: Iterable[str]) -> tuple[str, ...]:
    """Give "Electronic---House" as two words, genre and style, each word once."""
    return tuple(dict.fromkeys(word for name in names for word in name.split(PARENT)))
