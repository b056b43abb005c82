"""What is given to FluidSynth: notes that can be played, within the time there is."""

from random import Random

import pytest

from recipes.nano.compose import compose
from recipes.nano.sounds.bands import _write_score
from recipes.nano.sounds.sampled import STEM_SECONDS

pytest.importorskip("mido", reason="mido is of the recipe's own extra, `nano`")


@pytest.mark.parametrize("seed", range(20))
def test_a_band_plays_notes_that_end(seed):
    score = _write_score(compose(seed), Random(seed))
    notes = [(time, m) for time, m in score if m.type in {"note_on", "note_off"}]
    assert notes
    assert all(0 <= time <= STEM_SECONDS for time, _ in notes)
    sounding: dict[tuple[int, int], int] = {}
    for _, message in notes:
        key = (message.channel, message.note)
        sounding[key] = sounding.get(key, 0) + (1 if message.type == "note_on" else -1)
    assert set(sounding.values()) == {0}
