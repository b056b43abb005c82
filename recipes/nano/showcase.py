"""Write the example clips of the documents: `python -m recipes.nano.showcase [FOLDER]`."""

import argparse
from pathlib import Path

from songloom import GenerationRequest, load

FOLDER = Path(__file__).parents[2] / "docs" / "clips"
SECONDS = 4.5
PROMPTS = (
    "happy bossa nova, flute melody, acoustic guitar chords, upright bass, drums, A major, 125 bpm",
    "techno, marimba melody, synth pad, synth bass, drum machine, E minor, 150 bpm",
    "lo-fi, vibraphone melody, electric piano chords, upright bass, live drums, C major, 75 bpm",
    "funk, trumpet melody, electric piano, bass guitar, drum kit, E dorian, 107 bpm",
    "sad ballad, saxophone melody, string section, double bass, D minor, 68 bpm, no drums",
    "swing jazz, saxophone melody, piano chords, upright bass, drums, G mixolydian, 150 bpm",
    "march, trumpet melody, strings, acoustic bass, acoustic drums, C major, 125 bpm",
    "ambient, flute melody, synth pad chords, A lydian, 68 bpm, no drums",
    "classical, piano melody, strings accompaniment, G major, 94 bpm, without drums",
    "house, synth lead melody, piano chords, synth bass, 808 drums, A minor, 125 bpm",
)


def main() -> None:
    """Generate, and write a clip and a line of the list for each prompt."""
    parser = argparse.ArgumentParser(prog="python -m recipes.nano.showcase", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    requests = [
        GenerationRequest(prompt=prompt, duration=SECONDS, seed=number, output_format="mp3")
        for number, prompt in enumerate(PROMPTS, start=1)
    ]
    lines = [
        "# Clips of the embedded model",
        "",
        "`python -m recipes.nano.showcase`; not chosen.",
        "",
    ]
    for number, track in enumerate(load("nano").generate(requests), start=1):
        path = folder / f"{number:02}.mp3"
        track.save(path)
        lines.append(f"- [{path.name}]({path.name}): {PROMPTS[number - 1]}; seed {number}")
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
