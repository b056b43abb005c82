"""The main jobs on the embedded model: write music, then learn a style and write music in it.

python examples/demo.py [FOLDER]

First three pieces: from words, from a beginning, and from a melody. Then the model is fine-tuned on
`examples/songs`, a style that it has never met, and writes the same two pieces before and after.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

SONGS = Path(__file__).parent / "songs"
NAME = "clockwork-waltz"
CALM = "gentle ballad, C major, piano, strings, slow"
BRIGHT = "happy synth-pop, synth lead, synth bass, drum machine"
STYLE = (
    "clockwork waltz in A minor, celesta, plucked strings, ticking wood block, 125 bpm",
    "slow clockwork waltz, F major, celesta and plucked strings",
)


def main(folder: Path) -> None:
    """Write everything to `folder`; show where it lies and what it looks like."""
    from songloom.machine import suit_training

    # What is trained here stays here.
    os.environ["SONGLOOM_HOME"] = str(folder / "home")
    suit_training()
    folder.mkdir(parents=True, exist_ok=True)
    write_pieces(folder)
    fine_tune(folder)
    model = os.path.relpath(folder / "home" / "models" / NAME)
    print(
        f"\nListen to the files in {folder.resolve()}, before and after,\nand open "
        f"{folder / 'report.html'} in a browser. Your own turn:\n"
        f"  songloom generate --model {model} '{STYLE[0]}'\n"
        "  songloom train FOLDER-OF-YOUR-SONGS --name my-style"
    )


def write_pieces(folder: Path) -> None:
    """From words, from a beginning, and from a melody."""
    import songloom

    calm = songloom.GenerationRequest(CALM, duration=8, seed=7)
    first = folder / "prompt.wav"
    requests = {
        "prompt": calm,
        "continuation": replace(
            calm, input_audio=first, continuation=True, continuation_end=4, duration=10, seed=8
        ),
        "melody": replace(calm, prompt=BRIGHT, input_audio=first, seed=9),
    }
    model = songloom.load("nano")
    for name, request in requests.items():
        started = time.monotonic()
        write(folder / f"{name}.wav", model.generate(request), started)


def fine_tune(folder: Path) -> None:
    """Learn the style of the songs; write the same pieces with the model before and after."""
    import songloom
    from songloom import terminal

    print(f"\nFine-tuning nano on {SONGS} (a minute or three):")
    request = songloom.TrainingRequest(
        dataset_path=SONGS,
        name=NAME,
        # For a model as small as nano, and four minutes of music: short windows, all layers.
        epochs=5,
        updates_per_epoch=20,
        batch_size=4,
        window_seconds=4,
        lora_rank=32,
        lora_targets="all",
        cfg_p=0.15,
    )
    with terminal.progress_bars("starting") as show:
        trained = songloom.train(request, restart=True, on_event=show)
    (folder / "report.html").write_bytes(trained.report.read_bytes())
    if trained.before is not None and trained.after is not None:
        print(
            f"\nLoss on the song that was held out: {trained.before.loss:.2f} before, "
            f"{trained.after.loss:.2f} after."
        )
    model = songloom.load("nano")
    adapter = model.add_adapter(NAME)  # one model in memory for both
    for number, prompt in enumerate(STYLE, start=1):
        asked = songloom.GenerationRequest(prompt, duration=8, seed=number)
        started = time.monotonic()
        before, after = model.generate([asked, asked], adapters=[None, adapter])
        write(folder / f"before-{number}.wav", before, started)
        write(folder / f"after-{number}.wav", after, started)


def write(path: Path, track: "songloom.Track", started: float) -> None:  # noqa: F821
    """Save a track, and show it."""
    from songloom.audio.preview import waveform_art

    taken = time.monotonic() - started
    track.save(path)
    print(f"\n{path}: {track.seconds:.0f} s of {track.request.prompt!r}, made in {taken:.1f} s")
    print(waveform_art(track.normalized(), track.sample_rate, width=72, height=8))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
