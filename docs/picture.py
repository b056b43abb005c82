"""Take the README's picture of a terminal anew: `python docs/picture.py`.

What it shows is what the program printed in this run.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from songloom.audio.files import read_audio
from songloom.audio.preview import spectrogram_art, waveform_art

PICTURE = Path(__file__).with_name("terminal.svg")
COMMAND = [
    "songloom",
    "generate",
    "gentle ballad, piano, strings, slow",
    "--seed",
    "7",
    "-o",
    "ballad.wav",
]
WIDTH = 84


def main() -> None:
    """Run the command in an empty folder; draw it, what it printed, and what it wrote."""
    console = Console(record=True, width=WIDTH, file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND],
            cwd=folder,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        audio = read_audio(Path(folder) / "ballad.wav")
    typed = " ".join(f'"{word}"' if " " in word else word for word in COMMAND)
    console.print(Text("$ ", "bold green") + Text(typed, "bold"))
    console.print(Text(done.stdout))
    console.print(Text(waveform_art(audio.samples, audio.sample_rate, WIDTH - 4, 6), "cyan"))
    console.print(Text(spectrogram_art(audio.samples, audio.sample_rate, WIDTH - 4, 8), "magenta"))
    PICTURE.write_text(console.export_svg(title="songloom"), encoding="utf-8")


if __name__ == "__main__":
    main()
