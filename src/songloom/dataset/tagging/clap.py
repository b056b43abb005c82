"""Genre, mood and instruments by CLAP: the words whose description fits the sound best.

Y. Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and
keyword-to-caption augmentation" (ICASSP 2023), through transformers. Its weights are licensed
Apache 2.0. It was never trained to name these classes, so it is less sure than a tagger, and its
confidences compare words with one another rather than say how likely each is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from songloom.audio.files import Audio
from songloom.audio.transforms import resample, to_mono
from songloom.dataset.labels import Labels
from songloom.dataset.tagging import tags
from songloom.errors import MissingExtraError, ModelError
from songloom.progress import ProgressCallback, Stage

if TYPE_CHECKING:
    from transformers import ClapModel

SOURCE = "clap"
MODEL = "laion/clap-htsat-unfused"
MODEL_VARIABLE = "SONGLOOM_CLAP_MODEL"
"""Names another CLAP model, or a folder that holds one, for machines without a network."""

WINDOW_SECONDS = 10.0
MOST_WINDOWS = 12
"""Of a longer song, so many are heard, at equal distances."""
THRESHOLD = 0.15
"""Share among the words of a kind."""

PROMPTS: Mapping[str, str] = {
    "genre": "This is a {} song.",
    "mood": "This music sounds {}.",
    "instruments": "This is the sound of {} in music.",
}
CLASSES: Mapping[str, Sequence[str]] = {
    "genre": (
        "rock", "pop", "hip hop", "electronic", "house", "techno", "drum and bass", "ambient",
        "jazz", "blues", "soul", "funk", "reggae", "country", "folk", "classical", "metal", "punk",
        "latin", "disco", "trap", "lo-fi", "soundtrack", "gospel", "world music",
    ),
    "mood": (
        "happy", "sad", "energetic", "calm", "dark", "romantic", "aggressive", "dreamy", "epic",
        "melancholic", "hopeful", "tense", "playful", "groovy", "mysterious", "relaxing",
    ),
    "instruments": (
        "piano", "acoustic guitar", "electric guitar", "bass guitar", "drums", "a drum machine",
        "a synthesizer", "strings", "violin", "cello", "trumpet", "saxophone", "flute", "an organ",
        "an accordion", "a harp", "percussion", "singing", "a choir", "brass",
    ),
}  # fmt: skip


class Clap:
    """A labeller: the model, and the embeddings of all words.

    Args:
        model: hub id or folder of a CLAP model in transformers' layout.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the model can't be fetched or read.
    """

    def __init__(self, model: str) -> None:
        try:
            from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel
        except ImportError as error:
            raise MissingExtraError(
                "the tagger 'clap' needs the package transformers, which is not installed; install "
                "it with `pip install 'songloom[clap]'`, or choose the tagger 'none'"
            ) from error
        try:
            self._model: ClapModel = ClapModel.from_pretrained(model).eval()
            self._extractor = ClapFeatureExtractor.from_pretrained(model)
            tokenizer = AutoTokenizer.from_pretrained(model)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"the CLAP model {model!r} can't be fetched or read: "
                f"{str(error).strip().splitlines()[0]}. Connect to the internet once; or set "
                f"{MODEL_VARIABLE} to a folder that holds it; or label without a tagger"
            ) from error
        self._words: dict[str, Tensor] = {}
        for kind, words in CLASSES.items():
            prompts = [PROMPTS[kind].format(word) for word in words]
            tokens = tokenizer(prompts, padding=True, return_tensors="pt")
            with torch.inference_mode():
                features = self._model.get_text_features(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                )
            self._words[kind] = F.normalize(_tensor(features), dim=-1)

    def __call__(self, audio: Audio) -> Labels:
        """Tag a song; silence gives no tags."""
        embedding = self._embed(audio)
        if embedding is None:
            return Labels()
        scale = self._model.logit_scale_a.exp().detach()
        found: dict[str, dict[str, float]] = {}
        for kind, words in self._words.items():
            shares = (scale * words @ embedding).softmax(dim=0)
            chosen = tags.select_above(shares.numpy(), CLASSES[kind], THRESHOLD)
            if chosen:
                found[kind] = {_strip_article(word): share for word, share in chosen.items()}
        return Labels(
            genre=tuple(found.get("genre", ())),
            mood=tuple(found.get("mood", ())),
            instruments=tuple(found.get("instruments", ())),
            confidence={kind: round(max(words.values()), 3) for kind, words in found.items()},
            sources=dict.fromkeys(found, SOURCE),
        )

    @torch.inference_mode()
    def _embed(self, audio: Audio) -> Tensor | None:
        """The mean of the windows' embeddings: (dimensions,), of length 1."""
        rate: int = self._extractor.sampling_rate
        length = audio.samples.shape[1]
        window = min(length, round(WINDOW_SECONDS * audio.sample_rate))
        count = min(MOST_WINDOWS, max(1, length // max(1, window)))
        total: Tensor | None = None
        for start in torch.linspace(0, length - window, count).long().tolist():
            mono = to_mono(audio.samples[:, start : start + window].nan_to_num(0, 0, 0))
            if mono.numel() == 0 or mono.abs().max() < 1e-5:
                continue
            samples = resample(mono, audio.sample_rate, rate)[0].numpy()
            inputs = self._extractor(samples, sampling_rate=rate, return_tensors="pt")
            features = self._model.get_audio_features(
                input_features=inputs["input_features"], is_longer=inputs["is_longer"]
            )
            embedding = F.normalize(_tensor(features), dim=-1)[0]
            total = embedding if total is None else total + embedding
        return None if total is None else F.normalize(total, dim=0)


def load_clap(on_event: ProgressCallback | None = None) -> Clap:
    """Load the tagger; transformers downloads it (600 MB) if need be.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the model can't be fetched or read.
    """
    chosen = os.environ.get(MODEL_VARIABLE, "").strip() or MODEL
    if on_event is not None:
        on_event(Stage(f"loading the CLAP model {chosen}"))
    return Clap(chosen)


def _strip_article(word: str) -> str:
    """A class without its article."""
    return word.removeprefix("a ").removeprefix("an ")


def _tensor(features: Tensor | object) -> Tensor:
    """Embeddings (B, dimensions); newer versions of transformers wrap them."""
    if isinstance(features, Tensor):
        return features
    pooled: Tensor = features.pooler_output  # type: ignore[attr-defined]
    return pooled
