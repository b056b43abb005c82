"""The result of a training as a folder: adapter or whole model, and what is known about it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.catalogue import UNKNOWN_LICENSE
from songloom.checkpoints.codec_decoder import write_codec_decoder
from songloom.checkpoints.components import Components, LazyTextEncoder
from songloom.checkpoints.configs import read_json
from songloom.checkpoints.diffusion_files import FOLDER as DIFFUSION_FOLDER
from songloom.checkpoints.diffusion_files import write_diffusion
from songloom.checkpoints.home import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BASE_FINGERPRINT,
    CODEC_DECODER,
    FACTS,
)
from songloom.checkpoints.packed import pack
from songloom.checkpoints.standalone import is_standalone, write_standalone
from songloom.checkpoints.transformers_layout import write_components
from songloom.models.lora import lora_state
from songloom.training.card import model_card, usage_text, whole_card
from songloom.training.memorization import MemorizationCheck
from songloom.training.plan import lora_config
from songloom.training.summary import TrainingSummary
from songloom.training_request import TrainingRequest
from songloom.whole_files import write_text

CARD = "README.md"
REQUEST = "training_request.json"
"""The request's settings, as `TrainingRequest.from_mapping` reads it."""


_OF_THE_ADAPTER = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, CODEC_DECODER, CARD, FACTS)
"""Files that are written anew when an adapter is packed with what it needs."""


def write_weights(
    folder: Path,
    components: Components,
    request: TrainingRequest,
    base: str,
    base_fingerprint: str = "",
    decoder: Mapping[str, Tensor] | None = None,
) -> None:
    """Write what was trained into an existing folder: an adapter, or a whole model.

    Args:
        folder: where to.
        components: with the trained language model, its adapter not merged.
        request: what was asked for.
        base: the model that it was trained from.
        base_fingerprint: which model that was, by its weights; empty if unknown.
        decoder: what was tuned of the codec's decoder; a whole model has it in its codec.

    Raises:
        OSError, OutputError: it cannot be written.
        ModelError: the transformers layout has no place for the result.
    """
    if request.full:
        _write_whole(folder, components)
        return
    lm = components.lm
    write_adapter(folder, lora_state(lm), lora_config(request), lm.config, base, base_fingerprint)
    if decoder is not None:
        write_codec_decoder(folder, decoder, components.codec.fingerprint())


def write_about(folder: Path, request: TrainingRequest, facts: Mapping[str, Any]) -> None:
    """Write what songloom is to know about a trained model beside its weights.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(folder / FACTS, _as_json(facts))
    write_text(folder / REQUEST, _as_json(request.to_mapping()))


def write_card(
    folder: Path, summary: TrainingSummary, memorisation: MemorizationCheck | None
) -> None:
    """Write the model card, for people.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(folder / CARD, model_card(summary, memorisation))


def pack_trained(folder: Path, target: Path) -> None:
    """Write a trained model as a tar, with whatever it needs that other machines do not have.

    Args:
        folder: the model's.
        target: the tar.

    Raises:
        BaseChangedError: its base is not the one that it was trained on any more.
        ModelError: a file is missing or broken.
        OutputError: it can't be written.
    """
    if is_standalone(folder):
        pack(folder, target)
        return
    with tempfile.TemporaryDirectory(prefix=".whole-", dir=target.parent) as temporary:
        whole = Path(temporary) / "model"
        result = write_standalone(folder, whole)
        facts = read_json(folder / FACTS)
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.name not in _OF_THE_ADAPTER:
                shutil.copyfile(file, whole / file.name)
        usage = usage_text(
            result.base,
            name=folder.name,
            melody=result.lm.melody,
            frame_rate=result.frame_rate,
            longest_delay=max(result.lm.delays),
        )
        old = folder / CARD
        card = old.read_text("utf-8", errors="replace") if old.is_file() else ""
        licence = str(facts.get("licence") or UNKNOWN_LICENSE)
        text = whole_card(
            card, folder.name, usage, base=result.base, licence=licence, parts=result.parts
        )
        write_text(whole / CARD, text)
        facts["kind"] = "adapter" if result.base else "full"
        facts["base"] = result.base or facts.get("base", "")
        facts.pop(BASE_FINGERPRINT, None)  # an adapter's weights have it
        write_text(whole / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        pack(whole, target)


def _write_whole(folder: Path, components: Components) -> None:
    text = components.text
    if isinstance(text, LazyTextEncoder):
        encoder, text_folder = text.encoder(), text.folder()
    else:
        encoder, text_folder = text, components.info.path
    components.lm.cpu()
    write_components(components, encoder, text_folder, folder)
    if components.diffusion is not None and components.diffusion.own:
        write_diffusion(components.diffusion.as_stored(), folder / DIFFUSION_FOLDER)


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), indent=2, ensure_ascii=False) + "\n"
