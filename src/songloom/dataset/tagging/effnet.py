"""Genre, mood and instruments by Discogs-EffNet and its heads, the models of the original.

P. Alonso-Jiménez, X. Serra and D. Bogdanov, "Music representation learning based on editorial
metadata from Discogs" (ISMIR 2022). 400 styles of Discogs (the encoder's own classes), 56 moods and
themes and 40 instruments of MTG-Jamendo. Thresholds on the mean over a song are those of the
original fine-tuner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from songloom.audio.files import Audio
from songloom.audio.transforms import resample, to_mono
from songloom.dataset.labels import Labels
from songloom.dataset.tagging import mel, tags
from songloom.dataset.tagging.downloads import FILES, tagger_folder
from songloom.errors import MissingExtraError, ModelError
from songloom.progress import ProgressCallback

Array = npt.NDArray[np.float32]

SOURCE = "discogs-effnet"
GENRE_THRESHOLD = 0.1
MOOD_THRESHOLD = 0.05
INSTRUMENT_THRESHOLD = 0.1
PIECE_SECONDS = 60.0
"""Read and tagged at a time, so that an hour needs no more memory than a minute."""

_ENCODER, _MOOD, _INSTRUMENT = (Path(file.name).stem for file in FILES[::2])
_EMBEDDING = 1280


class EffNet:
    """A labeller: the networks in one folder, loaded once.

    Args:
        folder: holds the files that `downloads.FILES` names.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: a file can't be read, or does not fit the others.
    """

    def __init__(self, folder: Path) -> None:
        self._genres = _classes(folder, _ENCODER)
        self._moods = _classes(folder, _MOOD)
        self._instruments = _classes(folder, _INSTRUMENT)
        self._encoder = _Network(folder, _ENCODER, (len(self._genres), _EMBEDDING))
        self._mood = _Network(folder, _MOOD, (len(self._moods),))
        self._instrument = _Network(folder, _INSTRUMENT, (len(self._instruments),))

    def __call__(self, audio: Audio) -> Labels:
        """Tag a song; silence and what the models are unsure of gives no tags."""
        means = self._mean_probabilities(audio)
        if means is None:
            return Labels()
        genres = tags.select_above(means[0], self._genres, GENRE_THRESHOLD)
        moods = tags.select_above(means[1], self._moods, MOOD_THRESHOLD)
        instruments = tags.select_above(means[2], self._instruments, INSTRUMENT_THRESHOLD)
        found = {"genre": genres, "mood": moods, "instruments": instruments}
        found = {name: values for name, values in found.items() if values}
        return Labels(
            genre=tags.genres_and_styles(genres)[: tags.MOST_TAGS],
            mood=tuple(moods)[: tags.MOST_TAGS],
            instruments=tuple(instruments)[: tags.MOST_TAGS],
            confidence={name: round(max(values.values()), 3) for name, values in found.items()},
            sources=dict.fromkeys(found, SOURCE),
        )

    def _mean_probabilities(self, audio: Audio) -> list[Array] | None:
        """Of genres, moods and instruments, each `(classes,)`; None for silence."""
        sums: list[Array] | None = None
        count = 0
        for piece in _pieces(audio):
            patches = mel.patches(mel.mel_spectrogram(piece))
            genres, embeddings = self._encoder(patches)
            (moods,), (instruments,) = self._mood(embeddings), self._instrument(embeddings)
            new = [part.sum(axis=0) for part in (genres, moods, instruments)]
            sums = new if sums is None else [np.add(*pair) for pair in zip(sums, new, strict=True)]
            count += len(patches)
        return None if sums is None else [part / np.float32(count) for part in sums]


def load_effnet(on_event: ProgressCallback | None = None) -> EffNet:
    """Load the tagger, and download its files (24 MB) if need be.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: the files can't be fetched or read.
    """
    _require_onnxruntime()
    return EffNet(tagger_folder(on_event))


def _require_onnxruntime() -> None:
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "the tagger 'effnet' needs the package onnxruntime, which is not installed; install it "
            "with `pip install 'songloom[tagging]'`, or choose the tagger 'none'"
        ) from error


class _Network:
    """An ONNX network of one input: `(P, ...)` to outputs `(P, width)`, one of each width."""

    def __init__(self, folder: Path, name: str, widths: tuple[int, ...]) -> None:
        _require_onnxruntime()
        import onnxruntime

        path = folder / f"{name}.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # songs go in parallel
        options.log_severity_level = 3  # errors: its warnings are about its own optimisations
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its classes of errors have no common root but this
            raise ModelError(
                f"{str(path)!r} can't be read as an ONNX network: {str(error).splitlines()[0]}; "
                "remove it, so that it is downloaded again"
            ) from error
        self._outputs = [self._output(path, width) for width in widths]
        batch = self._session.get_inputs()[0].shape[0]
        self._batch = batch if isinstance(batch, int) else None

    def __call__(self, inputs: Array) -> list[Array]:
        name, batch = self._session.get_inputs()[0].name, self._batch or len(inputs)
        results = []
        for start in range(0, len(inputs), batch):
            block = inputs[start : start + batch]
            full = np.pad(block, ((0, batch - len(block)), *((0, 0),) * (block.ndim - 1)))
            outputs = self._session.run(self._outputs, {name: full})
            results.append([output[: len(block)] for output in outputs])
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def _output(self, path: Path, width: int) -> str:
        """The output of a width; of several, the probabilities and not what goes into them."""
        found = [out.name for out in self._session.get_outputs() if out.shape[-1] == width]
        for name in found:
            if name == "activations" or "Sigmoid" in name:
                return str(name)
        if len(found) != 1:
            raise ModelError(
                f"{str(path)!r} has {len(found)} outputs of width {width}, but one is expected; "
                "get the published file"
            )
        return str(found[0])


def _classes(folder: Path, name: str) -> list[str]:
    path = folder / f"{name}.json"
    try:
        classes = json.loads(path.read_text(encoding="utf-8"))["classes"]
        if not (isinstance(classes, list) and all(isinstance(item, str) for item in classes)):
            raise TypeError("its classes are no list of texts")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{str(path)!r} does not name the classes of its network ({error!r}); remove it, so "
            "that it is downloaded again"
        ) from error
    return classes


def _pieces(audio: Audio) -> Iterator[Array]:
    """Mono pieces `(N,)` at the models' rate, without silent ones and, but for one, short ends."""
    length = round(PIECE_SECONDS * audio.sample_rate)
    for start in range(0, audio.samples.shape[1], length):
        mono = to_mono(audio.samples[:, start : start + length].nan_to_num(0, 0, 0))
        piece: Array = resample(mono, audio.sample_rate, mel.RATE)[0].numpy()
        too_short = start > 0 and len(piece) < mel.PATCH_FRAMES * mel.HOP
        if not too_short and np.abs(piece).max(initial=0) > 1e-5:
            yield piece
