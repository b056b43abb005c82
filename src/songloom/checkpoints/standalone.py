"""An adapter with all that it needs from this machine, to be used on another one.

An adapter of an included or a published model needs nothing: that is to be had everywhere. Several
adapters on top of each other become one, of the published model below them all; its rank is the sum
of theirs. An adapter of any other model is merged into it.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from songloom.checkpoints import transformers_lm
from songloom.checkpoints.adapter import join_adapters, read_adapter, write_adapter
from songloom.checkpoints.bases import check_base, read_base_fingerprint
from songloom.checkpoints.catalogue import known_model
from songloom.checkpoints.configs import read_json
from songloom.checkpoints.export import export
from songloom.checkpoints.home import CODEC_DECODER, trained_model
from songloom.checkpoints.load import load_components
from songloom.checkpoints.model_codec import read_model_codec
from songloom.checkpoints.peft_config import is_adapter, name_base
from songloom.checkpoints.sources import find_source
from songloom.models.lm import LMConfig


@dataclass(frozen=True)
class Standalone:
    """The result of merging an adapter."""

    base: str
    """The published model that it is an adapter of; empty where it is a whole model now."""
    parts: tuple[str, ...]
    """The models that were joined to it, the nearest first, as they were called."""
    lm: LMConfig
    frame_rate: float
    """Token frames per second."""


def is_standalone(folder: Path) -> bool:
    """Whether the model in a folder can be used on any machine as it is.

    Raises:
        ModelError: its configuration is broken.
    """
    return not is_adapter(folder) or _is_published(name_base(folder))


def write_standalone(folder: Path, target: Path) -> Standalone:
    """Write an adapter with all that it needs into a new folder.

    Args:
        folder: the adapter's.
        target: must not exist, or be empty.

    Raises:
        BaseChangedError: a base is not the one that was trained on any more.
        ModelError: a file is missing or broken, or no layout has a place for the result.
        OutputError: it cannot be written.
    """
    source = find_source(folder)
    adapters = [path for path in source.paths if is_adapter(path)]
    bases = [name_base(path) for path in adapters]
    rest = source
    for path, base in zip(adapters, bases, strict=True):
        rest = rest.base
        check_base(path, base, rest, chosen=False)
    lm = _lm_config(source.paths[-1])
    frame_rate = read_model_codec(source.paths[-1], torch.device("cpu")).codec.frame_rate
    if not _is_published(bases[-1]):
        export(folder, target)
        return Standalone("", tuple(bases), lm, frame_rate)
    adapter = join_adapters([read_adapter(path, lm) for path in adapters])
    fingerprint = read_base_fingerprint(adapters[-1])
    write_adapter(target, adapter.tensors, adapter.config, lm, adapter.base, fingerprint)
    decoder = next((path for path in adapters if (path / CODEC_DECODER).is_file()), None)
    if decoder is not None:  # the nearest one is what they all sound by
        shutil.copyfile(decoder / CODEC_DECODER, target / CODEC_DECODER)
    return Standalone(bases[-1], tuple(bases[:-1]), lm, frame_rate)


def _lm_config(path: Path) -> LMConfig:
    """Shape of the language model of a whole model."""
    config = path / "config.json"
    if config.is_file():
        return transformers_lm.read_config(read_json(config), config)
    return load_components(path).lm.config


def _is_published(base: str) -> bool:
    """Whether a model can be had on any machine by its name."""
    if known_model(base) is not None:
        return True
    here = trained_model(base) is not None or Path(base).expanduser().exists()
    return not here and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", base, re.ASCII) is not None
