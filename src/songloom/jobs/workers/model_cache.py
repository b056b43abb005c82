"""The models that a worker has loaded, and the adapters that it has attached to them."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field

import torch

from songloom.checkpoints.peft_config import is_adapter, name_base
from songloom.checkpoints.sources import ModelSource, find_source
from songloom.generation.batch import Batch
from songloom.generation.model import Model, load
from songloom.generation.precision import DType
from songloom.progress import ProgressCallback
from songloom.training.memory import free_memory

SPARE = 1.3
"""Memory that a model takes while it is loaded, in sizes of its files."""


class NoRoomError(Exception):
    """A model has to wait: memory is short, and models in use or a training have it."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory."""

    model: Model
    batch: Batch
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the language model computes, or while an adapter is attached to it."""
    users: int = 0
    """Pieces of work that need it."""
    last_used: int = 0


class ModelCache:
    """Loads models when they are first asked for; removes those that nobody uses for others.

    Args:
        device: where models compute.
        dtype: their precision.
        max_batch: requests that are decoded together.
    """

    def __init__(self, device: torch.device, dtype: DType, max_batch: int) -> None:
        self._device, self._dtype, self._max_batch = device, dtype, max_batch
        self._loaded: dict[ModelSource, LoadedModel] = {}
        self._uses = 0
        self._lock = threading.Lock()  # of the counts, which two threads change

    def acquire(
        self, name: str, base: str | None, crowded: bool, on_event: ProgressCallback
    ) -> tuple[LoadedModel, str | None]:
        """A model for one piece of work, and the adapter to decode it with; then `release` it.

        An adapter is attached to its base, which others can use at the same time.

        Args:
            name: what `load` takes.
            base: likewise.
            crowded: whether waiting could help where memory is short.
            on_event: told of a download, and of notices.

        Raises:
            NoRoomError: memory is short, and `crowded`.
            ModelError: the model can't be loaded.
        """
        source = find_source(name, base, on_event)
        if not is_adapter(source.paths[0]):
            return self._load(name, source, base, crowded, on_event), None
        of = base or name_base(source.paths[0])
        loaded = self._load(of, source.base, None, crowded, on_event)
        # A base that was chosen is not compared with the adapter's own: that is another attachment.
        mark = hashlib.sha256(repr((source.files[0], base)).encode()).hexdigest()[:12]
        adapter = f"{name}@{mark}"
        try:
            with loaded.lock:
                if adapter not in loaded.model.adapters:
                    self._detach_replaced(loaded, name)
                    loaded.model.add_adapter(
                        source.paths[0], adapter, any_base=base is not None, on_event=on_event
                    )
        except BaseException:
            self.release(loaded)
            raise
        return loaded, adapter

    def release(self, loaded: LoadedModel) -> None:
        """Say that a piece of work needs a model no more."""
        with self._lock:
            loaded.users -= 1

    def models(self) -> list[LoadedModel]:
        """All that are loaded."""
        return list(self._loaded.values())

    def _load(
        self,
        name: str,
        source: ModelSource,
        base: str | None,
        crowded: bool,
        on_event: ProgressCallback,
    ) -> LoadedModel:
        """The model with the files of `source`, as they are now."""
        loaded = self._loaded.get(source)
        if loaded is None:
            self._drop_replaced(source)
            self._make_room(source.size, crowded)
            model = load(
                name, device=str(self._device), dtype=self._dtype, base=base, on_event=on_event
            )
            loaded = LoadedModel(model, model.open_batch(self._max_batch))
            self._loaded[source] = loaded
        with self._lock:
            self._uses += 1
            loaded.users, loaded.last_used = loaded.users + 1, self._uses
        return loaded

    def _detach_replaced(self, loaded: LoadedModel, name: str) -> None:
        """Forget the adapter that had this name before, where nothing can be decoded with it."""
        if loaded.users > 1:
            return
        for other in loaded.model.adapters:
            if other.rpartition("@")[0] == name:
                loaded.model.remove_adapter(other)

    def _drop_replaced(self, source: ModelSource) -> None:
        """Forget what was loaded from the same place before its files changed."""
        for other, loaded in list(self._loaded.items()):
            if other.paths == source.paths and not loaded.users:
                del self._loaded[other]

    def _make_room(self, size: int, crowded: bool) -> None:
        """Remove unused models, the longest unused first, until there is memory for another."""
        wanted = int(size * SPARE)
        while free_memory(self._device) < wanted:
            idle = [key for key, loaded in self._loaded.items() if not loaded.users]
            if not idle:
                if crowded or self._loaded:
                    raise NoRoomError
                return  # it is alone and will be tried: the estimate may be wrong
            del self._loaded[min(idle, key=lambda key: self._loaded[key].last_used)]
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
