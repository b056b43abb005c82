"""A process that tells how well a model carries a song: `python -m songloom.jobs.workers.fidelity`.

One JSON object a line: in comes a song's `path`, a `model` and a `target`; out go figures and words
once two sounds and these figures are written under the target's name, or an `error` for people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from songloom.errors import SongloomError
from songloom.jobs.paths import EXCERPT_SIDES, FIGURES_FILE
from songloom.jobs.workers.stdio import Stdio

SECONDS = 10.0
"""Length of the excerpt, from the middle of the song."""


def measure(path: Path, model: str, target: Path) -> dict[str, Any]:
    """Put an excerpt of a song through a model's codec.

    Args:
        path: the song.
        model: that is on this machine.
        target: a folder, which is made: two sounds, and what is returned as JSON.

    Returns:
        Figures and words; or an `error`.
    """
    import torch

    from songloom.audio.files import Audio, read_audio, read_seconds, write_audio
    from songloom.audio.transforms import convert
    from songloom.checkpoints.hub import find
    from songloom.checkpoints.model_codec import model_path, read_model_codec
    from songloom.training.fidelity import measure_fidelity
    from songloom.training.finding_words import describe_fidelity, describe_grade
    from songloom.whole_files import write_text

    try:
        if find(model) is None:
            return {"error": f"the model {model!r} is not on this machine yet; download it first"}
        codec = read_model_codec(model_path(model), torch.device("cpu")).codec
        codec.fold_weight_norm()
        length = read_seconds(path) or SECONDS
        start = max(0.0, (length - SECONDS) / 2)
        audio = read_audio(path, start=start, end=start + SECONDS)
        samples = convert(audio, codec.sample_rate, codec.channels).samples
        decoded = codec.decode(codec.encode(samples))[:, : samples.shape[1]]
        found = measure_fidelity(samples, decoded, codec.sample_rate)
        target.mkdir(parents=True, exist_ok=True)
        for side, sound in zip(EXCERPT_SIDES, (samples, decoded), strict=True):
            write_audio(target / f"{side}.mp3", Audio(sound, codec.sample_rate), format="mp3")
        answer = {
            "model": model,
            "grade": found.grade,
            "text": describe_grade(found.grade, "this song", model),
            "figures": describe_fidelity(found),
            "log_mel": found.log_mel,
            "chroma": found.chroma,
            "si_sdr": found.si_sdr,
        }
        write_text(target / FIGURES_FILE, json.dumps(answer))
    except SongloomError as error:
        return {"error": str(error).replace(repr(str(path)), "it")}
    return answer


def main() -> None:
    """Work for the server at the other end of standard input and output."""
    stdio = Stdio()
    stdio.lower_priority()  # nobody waits for it as for music
    stdio.answer(
        lambda question: measure(
            Path(question["path"]), question["model"], Path(question["target"])
        ),
        "it could not be put through the model; the server's log says why",
    )


if __name__ == "__main__":
    main()
