"""Three pieces of music by the embedded model: from words, from a beginning, and from a melody.

python examples/demo.py [FOLDER]
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import songloom
from songloom.audio.preview import waveform_art

CALM = "gentle ballad, C major, piano, strings, slow"
BRIGHT = "happy synth-pop, synth lead, synth bass, drum machine"


def requests(first: Path) -> dict[str, songloom.GenerationRequest]:
    """A request for each piece; the second and third listen to the `first` one."""
    # What suits nano: it is too small to be sure of much.
    calm = songloom.GenerationRequest(
        CALM, duration=8, seed=7, temperature=0.7, classifier_free_guidance=1.5
    )
    return {
        "prompt": calm,
        "continuation": replace(
            calm, input_audio=first, continuation=True, continuation_end=4, duration=10, seed=8
        ),
        "melody": replace(calm, prompt=BRIGHT, input_audio=first, seed=9),
    }


def main(folder: Path) -> None:
    """Write the pieces to `folder`; show where they lie and what they look like."""
    folder.mkdir(parents=True, exist_ok=True)
    model = songloom.load("nano")
    for name, request in requests(folder / "prompt.wav").items():
        started = time.monotonic()
        track = model.generate(request)
        seconds_taken = time.monotonic() - started
        path = folder / f"{name}.wav"
        track.save(path)
        print(
            f"\n{path}: {track.seconds:.0f} s of {request.prompt!r}, made in {seconds_taken:.1f} s"
        )
        print(waveform_art(track.normalized(), track.sample_rate, width=72, height=8))
    print(f"\nListen to the files in {folder.resolve()}.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
