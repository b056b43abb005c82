"""The inputs of the hosted original, and next to no model: for comparing with the real Cog.

It runs in Cog's own environment, so it imports nothing of the project.
"""
# ruff: noqa: B008 - defaults are declared like this in Cog

import tempfile
import time
import wave

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    """Answers with a short silence; the prompt's words `fail` and `slow` do what they say."""

    def setup(self):
        print("setting up")

    def predict(
        self,
        prompt: str = Input(description="-", default=None),
        input_audio: Path = Input(description="-", default=None),
        duration: int = Input(description="-", default=8),
        continuation: bool = Input(description="-", default=False),
        continuation_start: int = Input(description="-", default=0, ge=0),
        continuation_end: int = Input(description="-", default=None, ge=0),
        multi_band_diffusion: bool = Input(description="-", default=False),
        normalization_strategy: str = Input(
            description="-", default="loudness", choices=["loudness", "clip", "peak", "rms"]
        ),
        top_k: int = Input(description="-", default=250),
        top_p: float = Input(description="-", default=0.0),
        temperature: float = Input(description="-", default=1.0),
        classifier_free_guidance: int = Input(description="-", default=3),
        output_format: str = Input(description="-", default="wav", choices=["wav", "mp3"]),
        seed: int = Input(description="-", default=None),
        replicate_weights: str = Input(description="-", default=None),
    ) -> Path:
        words = (prompt or "").split()
        print(f"seed {seed}", flush=True)
        if "fail" in words:
            raise ValueError("prompt is 'fail', but must be music; ask for some")
        if "slow" in words:
            time.sleep(1.5)
        path = Path(tempfile.mkdtemp()) / f"output.{output_format}"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(32000)
            file.writeframes(bytes(3200))
        return path
