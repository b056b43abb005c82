"""A codec's decoder that was tuned with an adapter: `codec_decoder.safetensors` beside it.

The file holds the weights that were changed, as they act (a weight norm multiplied out), in full
precision, and in its head the fingerprint of the codec whose codes the decoder reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from songloom.checkpoints.home import CODEC_DECODER
from songloom.checkpoints.weights import DOWNLOAD_AGAIN
from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.models.encodec import Decoder, set_plain_weights
from songloom.whole_files import replace_file

_PREFIX, _CODEC = "decoder.", "codec"


def write_codec_decoder(folder: Path, tensors: Mapping[str, Tensor], codec: str) -> None:
    """Write a tuned decoder beside an adapter, whole or not at all.

    Args:
        folder: the adapter's.
        tensors: what was changed, by the names that the decoder has for it.
        codec: fingerprint of the codec, see `Codec.fingerprint`.

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.torch import save

    named = {f"{_PREFIX}{name}": t.detach().cpu().contiguous() for name, t in tensors.items()}
    with replace_file(folder / CODEC_DECODER) as temporary:
        temporary.write_bytes(save(named, metadata={"format": "pt", _CODEC: codec}))


def read_codec_decoder(folder: Path, codec: Codec) -> Decoder | None:
    """The decoder that was tuned with an adapter; None where none was.

    Args:
        folder: the adapter's.
        codec: of the adapter's base, its weight norm not folded; it is left as it is.

    Raises:
        ModelError: the file is broken, or was made for another codec.
    """
    path = folder / CODEC_DECODER
    if not path.is_file():
        return None
    found, tensors = _read(path)
    if found != codec.fingerprint():
        raise ModelError(
            f"{path} is a decoder for another codec than the base model's; name the model that the "
            "adapter was trained on as its base, or remove that file to use the base's own decoder"
        )
    decoder = codec.copy_decoder()
    for name, tensor in tensors.items():
        if not name.startswith(_PREFIX) or _shape(decoder, name) != tensor.shape:
            raise ModelError(
                f"{path} holds {name!r} of shape {tuple(tensor.shape)}, which the base model's "
                f"decoder has no place for. {DOWNLOAD_AGAIN}"
            )
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"{path}: {name!r} holds numbers that are not finite; train the adapter again"
            )
    set_plain_weights(decoder, {n.removeprefix(_PREFIX): t for n, t in tensors.items()})
    return decoder


def _shape(decoder: Decoder, name: str) -> torch.Size | None:
    """The shape of a weight as it acts; None where there is none of that name."""
    path, _, leaf = name.removeprefix(_PREFIX).rpartition(".")
    try:
        weight = getattr(decoder.get_submodule(path), leaf)
    except AttributeError:
        return None
    return weight.shape if isinstance(weight, Tensor) else None


def _read(path: Path) -> tuple[str, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata.get(_CODEC, ""), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a whole file ({error}). {DOWNLOAD_AGAIN}") from error
