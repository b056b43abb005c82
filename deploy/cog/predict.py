"""The project as a Cog model: predictions. Cog reads the inputs from this signature."""

import sys
import tempfile
from pathlib import Path as LocalPath

from cog import BasePredictor, Input, Path

sys.path.insert(0, str(LocalPath(__file__).parents[2] / "src"))
MODEL = "stereo-melody"


class Predictor(BasePredictor):
    """Generates music."""

    def setup(self) -> None:
        """Load the model that is used where no weights are given."""
        import songloom

        self.weights, self.model = "", songloom.load(MODEL)

    def predict(
        self,
        prompt: str = Input(description="A description of the music to generate.", default=None),
        input_audio: Path = Input(
            description="An audio file whose melody is followed, or which is continued.",
            default=None,
        ),
        duration: int = Input(
            description="Length of the result in seconds, a continued clip included.", default=8
        ),
        continuation: bool = Input(
            description="Continue the input audio instead of following its melody.", default=False
        ),
        continuation_start: int = Input(
            description="Second of the input audio at which the continued clip starts.",
            default=0,
            ge=0,
        ),
        continuation_end: int = Input(
            description="Second at which the clip ends; leave it out for the end of the file.",
            default=None,
            ge=0,
        ),
        multi_band_diffusion: bool = Input(
            description="Decode the tokens with multi-band diffusion.", default=False
        ),
        normalization_strategy: str = Input(
            description="How the level is set.",
            default="loudness",
            choices=["loudness", "clip", "peak", "rms"],
        ),
        top_k: int = Input(description="Sample among the k most likely tokens.", default=250),
        top_p: float = Input(
            description="Sample among tokens whose probabilities add up to p; 0 for top_k.",
            default=0.0,
        ),
        temperature: float = Input(description="How freely tokens are chosen.", default=1.0),
        classifier_free_guidance: int = Input(
            description="How closely the result follows prompt and melody.", default=3
        ),
        output_format: str = Input(
            description="Format of the audio file.", default="wav", choices=["wav", "mp3"]
        ),
        seed: int = Input(
            description="The same seed gives the same music; none or -1 draws one.", default=None
        ),
        replicate_weights: str = Input(
            description="Fine-tuned weights to use: their path.", default=None
        ),
    ) -> Path:
        """Generate one piece."""
        import songloom

        if (replicate_weights or "") != self.weights:
            self.model = songloom.load(replicate_weights or MODEL, base=MODEL)
            self.weights = replicate_weights or ""
        request = songloom.GenerationRequest(
            prompt=prompt or "",
            input_audio=input_audio and LocalPath(str(input_audio)),
            duration=duration,
            continuation=continuation,
            continuation_start=continuation_start,
            continuation_end=continuation_end,
            multi_band_diffusion=multi_band_diffusion,
            normalization_strategy=normalization_strategy,
            top_k=top_k,
            top_p=top_p,
            temperature=temperature,
            classifier_free_guidance=classifier_free_guidance,
            output_format=output_format,
            seed=seed,
        )
        track = self.model.generate(request)
        print(f"seed: {track.seed}")
        path = LocalPath(tempfile.mkdtemp()) / f"output.{output_format}"
        track.save(path)
        return Path(path)
