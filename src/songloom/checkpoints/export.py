"""A model, from whatever layout it is in, written in another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

from songloom.checkpoints import reference, transformers_layout
from songloom.checkpoints.components import Components, LazyTextEncoder
from songloom.checkpoints.diffusion_files import FOLDER as DIFFUSION_FOLDER
from songloom.checkpoints.diffusion_files import write_diffusion
from songloom.checkpoints.hub import resolve
from songloom.checkpoints.load import read_components
from songloom.checkpoints.peft_config import is_adapter
from songloom.errors import ModelError, OutputError
from songloom.models.text import TextEncoder
from songloom.progress import ProgressCallback

Layout = Literal["transformers", "reference"]
_Writer = Callable[[Components, TextEncoder, Path, Path], None]
_WRITERS: dict[Layout, _Writer] = {
    "transformers": transformers_layout.write_components,
    "reference": reference.write_components,
}


def export(
    name_or_path: str | Path,
    folder: str | Path,
    format: Layout = "transformers",
    *,
    base: str | Path | None = None,
    diffusion: bool = False,
    on_event: ProgressCallback | None = None,
) -> Path:
    """Write a model into a new folder, complete: weights as they are stored, text encoder, licence.

    Diffusion weights that lie in the model's folder come along, in songloom's layout.

    Args:
        name_or_path: any model that `load` takes.
        folder: must not exist yet, or be empty.
        format: `transformers`, or `reference` (`state_dict.bin` and `compression_state_dict.bin`;
            the text encoder, which that layout does not know, lies in `text_encoder`).
        base: see `load_components`.
        diffusion: write diffusion weights also where they have to be fetched: 2.6 GB.
        on_event: told of a download's progress.

    Returns:
        The folder.

    Raises:
        ModelError: the model cannot be read, or the format has no place for it.
        RequestError: `diffusion` is on, but none fits the model.
        OutputError: the folder is not empty, or cannot be written.
    """
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target} exists and is not empty; choose a new folder")
    components = read_components(name_or_path, torch.device("cpu"), None, None, on_event, base)
    text, text_folder = _text(components)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            _WRITERS[format](components, text, text_folder, temporary)
            if diffusion or (components.diffusion is not None and components.diffusion.own):
                write_diffusion(components.diffusion_decoder(), temporary / DIFFUSION_FOLDER)
            (temporary / "README.md").write_text(_readme(components, format), "utf-8")
            _make_readable(temporary)
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error}); choose another folder") from error
    return target


def merge(
    name_or_path: str | Path,
    folder: str | Path,
    *,
    base: str | Path | None = None,
    on_event: ProgressCallback | None = None,
) -> Path:
    """Write an adapter, merged into its base, as a whole model in the transformers layout.

    Args:
        name_or_path: a trained model's name, or the folder of an adapter.
        folder: must not exist yet, or be empty.
        base: the model to merge into, in place of the one that the adapter names.
        on_event: told of a download's progress.

    Returns:
        The folder.

    Raises:
        ModelError: that is no adapter, or it or its base cannot be read.
        OutputError: the folder is not empty, or cannot be written.
    """
    path = resolve(name_or_path, on_event)
    if not is_adapter(path):
        raise ModelError(
            f"{str(name_or_path)!r} is a whole model already ({path}), not an adapter that could "
            "be merged; use export to write it elsewhere"
        )
    return export(name_or_path, folder, base=base, on_event=on_event)


def _make_readable(folder: Path) -> None:
    """Give others the right to read, which temporary folders and safetensors' files lack."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _text(components: Components) -> tuple[TextEncoder, Path]:
    text = components.text
    if isinstance(text, LazyTextEncoder):
        return text.encoder(), text.folder()
    return text, components.info.path


def _readme(components: Components, layout: Layout) -> str:
    info = components.info
    identifier = info.licence.lower().replace(" ", "-")
    head = f"---\nlicense: {identifier}\n---\n" if "not stated" not in info.licence else ""
    kind = "melody and text" if info.melody else "text"
    notes = (
        "\nThe text encoder, which this layout does not hold, lies in `text_encoder`.\n"
        if layout == "reference"
        else ""
    )
    if info.base:
        notes += f"\nIt was made of an adapter, merged into {info.base}.\n"
    return (
        f"{head}# {Path(info.name).name}\n\n"
        f"A MusicGen model ({kind}; {info.channels} audio channel(s), {info.sample_rate} Hz), "
        f"exported by songloom in the {layout} layout.\n{notes}\n"
        f"Licence of the weights: {info.licence}.\n"
    )
