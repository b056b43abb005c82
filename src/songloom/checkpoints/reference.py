"""Checkpoints of the reference library, and the file that the original fine-tuner hands out.

A folder with `state_dict.bin` and `compression_state_dict.bin`; or `trained_model.tar`, which is no
tar archive but a pickle of the same weights. Neither holds a text encoder, and the latter no codec.
What is missing is taken from, in this order: the folder (`compression_state_dict.bin`, and a folder
`text_encoder` with T5 in the transformers layout), the base model that the caller names, the hub.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from songloom.checkpoints import codec_files, reference_codec, reference_lm
from songloom.checkpoints.catalogue import NON_COMMERCIAL
from songloom.checkpoints.components import Components, LazyTextEncoder, ModelInfo
from songloom.checkpoints.config_tree import ConfigTree
from songloom.checkpoints.configs import convert_config_errors
from songloom.checkpoints.diffusion_files import find_diffusion
from songloom.checkpoints.hub import download
from songloom.checkpoints.inert_pickle import Archive, ArchiveTensors
from songloom.checkpoints.text_files import read_text_encoder, write_text_encoder
from songloom.checkpoints.weights import Weights, has_weights, open_weights
from songloom.errors import ModelError
from songloom.models.codec import Codec
from songloom.models.lm import LM, LMConfig
from songloom.models.text import TextEncoder
from songloom.progress import ProgressCallback

STATE, CODEC_STATE, FINE_TUNED = "state_dict.bin", "compression_state_dict.bin", "trained_model.tar"
TEXT_FOLDER = "text_encoder"


def checkpoint_file(path: Path) -> Path | None:
    """The file with the language model, where `path` is a reference checkpoint's folder or file."""
    if path.is_file():
        return path
    return next((path / n for n in (STATE, FINE_TUNED) if (path / n).is_file()), None)


def read_components(
    path: Path,
    name: str,
    licence: str,
    device: torch.device,
    dtype: torch.dtype | None,
    module_dtype: torch.dtype | None,
    base: Path | None = None,
    on_event: ProgressCallback | None = None,
) -> Components:
    """Read a whole model; its text encoder only when the first text comes.

    Args:
        path: `state_dict.bin`, `trained_model.tar` or the like under another name.
        name: what the model is called in messages.
        licence: what its weights may be used for.
        device: where the tensors go.
        dtype: precision of the language model; None keeps the file's.
        module_dtype: precision of the codec and the text encoder; None keeps the file's.
        base: folder of a model in the transformers layout, for what the checkpoint lacks.
        on_event: told of a download's progress.

    Raises:
        ModelError: a file is missing, broken, or of a kind that is not supported.
    """
    lm, model = read_lm(path, device, dtype)
    codec = _codec(path.parent, model, device, module_dtype, base, on_event)
    codec_files.check_codebooks(codec, lm.config, path)

    def find_text() -> Path:
        own = path.parent / TEXT_FOLDER
        if own.is_dir():
            return own
        if base is not None:
            return base
        remedy = f"put a T5 in the transformers layout into {own}"
        repo = _text_repo(model.text_encoder)
        return _download(path, "text encoder", repo, "Apache-2.0", remedy, on_event)

    def read_text(folder: Path) -> TextEncoder:
        return read_text_encoder(folder, device, module_dtype)

    info = ModelInfo(
        name=name,
        path=path,
        licence=licence,
        channels=model.channels,
        sample_rate=codec.sample_rate,
        frame_rate=codec.frame_rate,
        melody=lm.config.melody,
        window_seconds=model.segment_seconds,
        parameters=sum(p.numel() for p in lm.parameters()),
    )
    text = LazyTextEncoder(lm.config.text_size, find_text, read_text)
    return Components(lm, codec, text, info, find_diffusion(path.parent, codec, on_event))


def read_lm(
    path: Path, device: torch.device, dtype: torch.dtype | None
) -> tuple[LM, reference_lm.ReferenceModel]:
    """The language model alone, and what its configuration says.

    Raises:
        ModelError: the file is broken, or of a kind that is not supported.
    """
    content, weights = _open(path)
    cfg = _config(content, path)
    with convert_config_errors(path):
        model = reference_lm.read_config(cfg, reference_lm.text_size(weights))
    return reference_lm.read_lm(model.lm, weights, device, dtype), model


def read_codec(path: Path, channels: int, device: torch.device, dtype: torch.dtype | None) -> Codec:
    """The codec alone, from a `compression_state_dict.bin` that holds one.

    Raises:
        ModelError: the file is broken, or of a kind that is not supported.
    """
    content, weights = _open(path)
    return reference_codec.read_codec(_config(content, path), weights, channels, device, dtype)


def weight_parts(path: Path) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
    """The tensors of a checkpoint and of what lies beside it, and what sets their names apart.

    Raises:
        ModelError: a file is broken, or of a kind that is not supported.
    """
    yield "", _open(path)[1].tensors
    codec = path.parent / CODEC_STATE
    if codec.is_file() and Archive(codec).content.get("pretrained") is None:
        yield "codec.", _open(codec)[1].tensors
    text = path.parent / TEXT_FOLDER
    if text.is_dir() and has_weights(text):
        yield "text.", open_weights(text).tensors


def read_codec_of(
    path: Path, device: torch.device, on_event: ProgressCallback | None = None
) -> tuple[Codec, LMConfig]:
    """The codec of a language model's checkpoint, and the shape of that model.

    Raises:
        ModelError: a file is missing or broken, or of a kind that is not supported.
    """
    content, weights = _open(path)
    with convert_config_errors(path):
        model = reference_lm.read_config(_config(content, path), reference_lm.text_size(weights))
    return _codec(path.parent, model, device, torch.float32, None, on_event), model.lm


def write_components(
    components: Components, text: TextEncoder, text_folder: Path, folder: Path
) -> None:
    """Write a whole model into an existing folder: the inverse of `read_components`.

    Args:
        components: the model; its codec's weight norm must not have been folded.
        text: the text encoder, which goes into a folder `text_encoder` in the transformers layout.
        text_folder: where the tokenizer's files lie.
        folder: where to write.
    """
    lm, encodec, info = components.lm, components.codec.encodec, components.info
    model = reference_lm.ReferenceModel(
        lm=lm.config,
        channels=info.channels,
        segment_seconds=reference_lm.segment_seconds(lm.config, info),
    )
    tree = reference_lm.config_tree(model, info.sample_rate)
    _write(folder / STATE, reference_lm.lm_state(lm), tree)
    codec_tree = reference_codec.config_tree(encodec.config)
    _write(folder / CODEC_STATE, reference_codec.codec_state(encodec), codec_tree)
    (folder / TEXT_FOLDER).mkdir()
    write_text_encoder(text, text_folder, folder / TEXT_FOLDER)


def _codec(
    folder: Path,
    model: reference_lm.ReferenceModel,
    device: torch.device,
    dtype: torch.dtype | None,
    base: Path | None,
    on_event: ProgressCallback | None,
) -> Codec:
    path, repo = folder / CODEC_STATE, model.codec
    if path.is_file():
        pointer = Archive(path).content.get("pretrained")
        if pointer is None:
            return read_codec(path, model.channels, device, dtype)
        repo = str(pointer)  # the file only says which codec it would be
    if base is None and repo is None:
        raise ModelError(
            f"{folder} has no {CODEC_STATE}, and its checkpoint names no codec that could be "
            f"fetched; put that file beside the checkpoint"
        )
    remedy = f"put {CODEC_STATE} into {folder}"
    source = base or _download(folder, "codec", str(repo), NON_COMMERCIAL, remedy, on_event)
    return codec_files.read_codec(source, model.channels, device, dtype)


def _download(
    path: Path,
    part: str,
    repo: str,
    licence: str,
    remedy: str,
    on_event: ProgressCallback | None,
) -> Path:
    """Parts that the checkpoint at `path` lacks, from the hub."""
    instead = f"{remedy}; or name the model that it was tuned from (base, or --model)"
    try:
        return download(repo, repo, licence, on_event, instead)
    except ModelError as error:
        raise ModelError(f"{path} comes without its {part}, and {error}") from error


def _open(path: Path) -> tuple[dict[str, Any], Weights]:
    """All of a file but its weights, and these."""
    archive = Archive(path)
    state = archive.content.get("best_state", archive.content.get("model", {}))
    if not isinstance(state, dict):
        raise ModelError(
            f"{path} holds no weights under 'best_state' or 'model', where a checkpoint of the "
            "reference library or of the fine-tuner has them; choose such a file"
        )
    return archive.content, Weights(path, ArchiveTensors(archive, state))


def _config(content: dict[str, Any], path: Path) -> ConfigTree:
    cfg = content.get("xp.cfg")
    if isinstance(cfg, str):
        try:
            cfg = yaml.safe_load(cfg)
        except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelError(
                f"{path}: its configuration is not YAML ({reason}); get the checkpoint again"
            ) from error
    if not isinstance(cfg, dict):
        raise ModelError(
            f"{path} has no configuration under 'xp.cfg', where a checkpoint of the reference "
            "library or of the fine-tuner has it; choose such a file"
        )
    return ConfigTree(cfg, path)


def _write(path: Path, state: dict[str, torch.Tensor], tree: dict[str, Any]) -> None:
    content = {
        "best_state": OrderedDict(state),
        "xp.cfg": yaml.safe_dump(tree, sort_keys=False),
        "version": "1.0",
        "exported": True,
    }
    torch.save(content, path)


def _text_repo(name: str) -> str:
    """Hub id of a text encoder that the reference library calls by its short name."""
    if "/" in name:
        return name
    return f"google/{name}" if name.startswith("flan-") else f"google-t5/{name}"
