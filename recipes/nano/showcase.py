"""Write the example clips of the documents and of the page: `python -m recipes.nano.showcase`."""

import argparse
import json
import math
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import av

from songloom import GenerationRequest, Model, load
from songloom.audio.peaks import outline

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "clips"
PAGE = ROOT / "src" / "songloom" / "web" / "examples"
PAGE_SECONDS, PAGE_SEED = 12, 3
PAGE_BITS = 80_000  # a second: it is heard before anything else, by phones too
PAGE_PEAKS = 160
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


def write_page_example(model: Model) -> None:
    """What a newcomer to the page hears first: the sound, its outline, and the words."""
    request = GenerationRequest(prompt=PROMPTS[0], duration=PAGE_SECONDS, seed=PAGE_SEED)
    sound = PAGE / "bossa-nova.mp3"
    with TemporaryDirectory() as folder:
        whole = Path(folder, "whole.wav")
        model.generate(request).save(whole)
        with av.open(whole) as source, av.open(sound, "w") as target:
            stream = target.add_stream("libmp3lame", rate=32_000, layout="mono")
            stream.bit_rate = PAGE_BITS
            resampler = av.AudioResampler(format="s16p", layout="mono", rate=32_000)
            for frame in source.decode(audio=0):
                for part in resampler.resample(frame):
                    target.mux(stream.encode(part))
            target.mux(stream.encode(None))
    drawn = outline(sound)
    step = len(drawn.peaks) / PAGE_PEAKS
    parts = [slice(int(i * step), int((i + 1) * step)) for i in range(PAGE_PEAKS)]
    peaks = [round(max(drawn.peaks[part]), 2) for part in parts]
    levels = [round(math.sqrt(fmean(level**2 for level in drawn.rms[part])), 2) for part in parts]
    lines = [
        "// Written by `python -m recipes.nano.showcase`.",
        f"export const PROMPT = {json.dumps(PROMPTS[0])};",
        f"export const SECONDS = {round(drawn.seconds)};",
        f"export const PEAKS = {json.dumps(peaks)};",
        f"export const RMS = {json.dumps(levels)};",
    ]
    sound.with_suffix(".js").write_text("\n".join(lines) + "\n", encoding="utf-8")


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
    model = load("nano")
    write_page_example(model)
    for number, track in enumerate(model.generate(requests), start=1):
        path = folder / f"{number:02}.mp3"
        track.save(path)
        lines.append(f"- [{path.name}]({path.name}): {PROMPTS[number - 1]}; seed {number}")
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
