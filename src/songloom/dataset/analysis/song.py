"""All that analysis finds in a song, as labels."""

from __future__ import annotations

from songloom.audio.files import Audio
from songloom.dataset.analysis.dynamics import dynamics
from songloom.dataset.analysis.excerpts import excerpts
from songloom.dataset.analysis.key import key
from songloom.dataset.analysis.tempo import tempo
from songloom.dataset.analysis.voice import voice
from songloom.dataset.labels import Labels

SOURCE = "analysis"
LEAST_CONFIDENCE = 0.5
"""Labels that are less sure than this are left out: a wrong one teaches wrong words."""


def analyse(audio: Audio) -> Labels:
    """Label a song by analysis: tempo, key, dynamics, voice; what is not clear stays unknown.

    It takes about a hundredth of the song's duration on one core, and reads three minutes of a
    longer song. Silence, noise and sounds of less than seconds have no labels.
    """
    if audio.samples.numel() == 0:
        return Labels()
    parts = excerpts(audio)
    beat, tonality, level, singer = tempo(parts), key(parts), dynamics(audio), voice(parts)
    found = {"bpm": beat, "key": tonality, "dynamics": level, "voice": singer}
    confidence = {
        name: round(label.confidence, 2)
        for name, label in found.items()
        if label is not None and label.confidence >= LEAST_CONFIDENCE
    }
    return Labels(
        bpm=round(beat.bpm, 1) if beat and "bpm" in confidence else None,
        key=tonality.name if tonality and "key" in confidence else None,
        dynamics=level.words if level and "dynamics" in confidence else None,
        voice=singer.word if singer and "voice" in confidence else None,
        confidence=confidence,
        sources=dict.fromkeys(confidence, SOURCE),
    )
