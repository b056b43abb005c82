"""ONNX files written by hand, field by field, so that tests need no further package.

Field numbers are those of onnx.proto: ModelProto, GraphProto, NodeProto, TensorProto, ...
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songloom.dataset.tagging.downloads import FILES

FLOAT = 1


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(number(1, size) for size in values.shape)
    return dims + number(2, FLOAT) + block(8, name) + block(9, values.astype("<f4").tobytes())


def node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: bytes = b""
) -> bytes:
    names = b"".join(block(1, name) for name in inputs)
    names += b"".join(block(2, name) for name in outputs)
    return names + block(4, kind) + attributes


def over_frames() -> bytes:
    """Attributes of a reduction: `axes` is a list of numbers (7), `keepdims` a number (2)."""
    axes = block(1, "axes") + number(8, 1) + number(20, 7)
    keepdims = block(1, "keepdims") + number(3, 0) + number(20, 2)
    return block(5, axes) + block(5, keepdims)


def value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(
        block(1, block(2, size) if isinstance(size, str) else number(1, size)) for size in shape
    )
    return block(1, name) + block(2, block(1, number(1, FLOAT) + block(2, dims)))


def model(
    nodes: Sequence[bytes],
    weights: dict[str, NDArray[np.float32]],
    inputs: dict[str, Sequence[int | str]],
    outputs: dict[str, Sequence[int | str]],
) -> bytes:
    graph = b"".join(block(1, item) for item in nodes) + block(2, "test")
    graph += b"".join(block(5, tensor(name, values)) for name, values in weights.items())
    graph += b"".join(block(11, value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(block(12, value(name, shape)) for name, shape in outputs.items())
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 13))


def encoder(genre_bias: NDArray[np.float32]) -> bytes:
    """Patches to genres and embeddings: the mean over frames goes to the first 96 of 1280."""
    genres = len(genre_bias)
    weights = {
        "select": np.eye(96, 1280, dtype=np.float32),
        "zero": np.zeros((1280, genres), np.float32),
        "bias": genre_bias,
    }
    nodes = [
        node("ReduceMean", ["melspectrogram"], ["mean"], over_frames()),
        node("MatMul", ["mean", "select"], ["embeddings"]),
        node("MatMul", ["embeddings", "zero"], ["nothing"]),
        node("Add", ["nothing", "bias"], ["logits"]),
        node("Sigmoid", ["logits"], ["activations"]),
    ]
    return model(
        nodes,
        weights,
        {"melspectrogram": ["n", 128, 96]},
        {"activations": ["n", genres], "embeddings": ["n", 1280]},
    )


def head(
    bias: NDArray[np.float32], batch: int | str = "n", names: tuple[str, str] | None = None
) -> bytes:
    """Embeddings to probabilities that depend on `bias` alone, and a little on the lowest band."""
    classes = len(bias)
    slope = np.zeros((1280, classes), np.float32)
    slope[0] = 1e-3
    logits, activations = names or ("logits", "activations")
    nodes = [
        node("MatMul", ["embeddings", "slope"], ["sloped"]),
        node("Add", ["sloped", "bias"], [logits]),
        node("Sigmoid", [logits], [activations]),
    ]
    outputs = {
        name: [batch, classes] for name in ([logits, activations] if names else [activations])
    }
    return model(nodes, {"slope": slope, "bias": bias}, {"embeddings": [batch, 1280]}, outputs)


def logit(*probabilities: float) -> NDArray[np.float32]:
    p = np.array(probabilities)
    return np.log(p / (1 - p)).astype(np.float32)


GENRES = {"Electronic---House": 0.6, "Electronic---Techno": 0.11, "Jazz---Bop": 0.099}
MOODS = {"dark": 0.2, "happy": 0.051, "sad": 0.049}
INSTRUMENTS = {"piano": 0.09, "synthesizer": 0.8}


def write_tagger(folder: Path, batch: int | str = "n") -> None:
    """The six files of the tagger, with a few classes."""
    folder.mkdir(parents=True, exist_ok=True)
    networks = [
        encoder(logit(*GENRES.values())),
        head(logit(*MOODS.values()), batch),
        head(logit(*INSTRUMENTS.values()), batch, ("model/dense/BiasAdd", "model/Sigmoid")),
    ]
    for index, (network, classes) in enumerate(
        zip(networks, (GENRES, MOODS, INSTRUMENTS), strict=True)
    ):
        (folder / FILES[2 * index].name).write_bytes(network)
        (folder / FILES[2 * index + 1].name).write_text(json.dumps({"classes": list(classes)}))
