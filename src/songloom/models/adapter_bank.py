"""Several adapters over one model at once, each row of a batch with its own or with none.

The base's weights are there once. The low-rank matrices of all adapters that a batch uses stand
side by side, so that a layer takes two further products however many they are; in between, each
row keeps what its own adapter gave and drops the rest.

Source of the idea of many adapters in one batch: "S-LoRA: Serving Thousands of Concurrent LoRA
Adapters" (Sheng et al., 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from songloom.errors import ModelError
from songloom.models.lm import LM
from songloom.models.lora import block_diagonal


class BankedLinear(nn.Module):
    """A linear layer with the matrices of several adapters."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        self._pairs: dict[str, tuple[Tensor, Tensor]] = {}
        self._joined: tuple[tuple[str, ...], tuple[Tensor, Tensor]] | None = None
        self._used: tuple[Tensor, Tensor] | None = None
        self._foreign = torch.empty(0)  # (B, 1, ranks), True where a row is not that adapter's

    @property
    def idle(self) -> bool:
        """Whether no adapter is left."""
        return not self._pairs

    def attach(self, name: str, down: Tensor, up: Tensor) -> None:
        """Add an adapter's matrices (rank, in) and (out, rank), its strength included."""
        self._pairs[name], self._joined = (down, up), None

    def detach(self, name: str) -> None:
        """Forget an adapter, if it is known."""
        self._pairs.pop(name, None)
        self._joined = None

    def choose(self, rows: Sequence[str | None]) -> None:
        """Set the adapter of each row of the batches to come; one name stands for all rows."""
        names = tuple(name for name in self._pairs if name in rows)
        self._used = self._side_by_side(names) if names else None
        ranks = [len(self._pairs[name][0]) for name in names]
        owners = torch.arange(len(names)).repeat_interleave(torch.tensor(ranks, dtype=torch.long))
        numbers = [names.index(row) if row in names else -1 for row in rows]
        if self._used is not None:
            foreign = torch.tensor(numbers)[:, None, None] != owners
            self._foreign = foreign.to(self._used[0].device)

    def _side_by_side(self, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        if len(names) == 1:
            return self._pairs[names[0]]
        # Kept: while a sequence joins, its own adapter is alone in use, and then all are again.
        if self._joined is None or self._joined[0] != names:
            downs, ups = zip(*(self._pairs[name] for name in names), strict=True)
            self._joined = names, (torch.cat(downs), torch.cat(ups, dim=1))
        return self._joined[1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, in) -> (B, S, out)."""
        out = self.base(x)
        if self._used is None:
            return out
        down, up = self._used
        return out + F.linear(F.linear(x, down).masked_fill(self._foreign, 0), up)


class AdapterBank:
    """The adapters that are attached to a model.

    Args:
        lm: the model, in the place and precision that it will compute in.
    """

    def __init__(self, lm: LM) -> None:
        self._lm = lm
        self._names: list[str] = []
        self._layers: dict[str, BankedLinear] = {}
        self._rows: tuple[str | None, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The attached adapters."""
        return tuple(self._names)

    def add(self, name: str, tensors: Mapping[str, Tensor], scale: float) -> None:
        """Attach an adapter; nothing uses it yet.

        Args:
            name: what rows will call it.
            tensors: as `lora_state` has them.
            scale: its strength.

        Raises:
            ModelError: there is one of that name.
        """
        if name in self._names:
            raise ModelError(f"an adapter {name!r} is attached already; give the other one a name")
        self.use(())
        device, dtype = self._lm.device, self._lm.dtype
        for path in sorted({key.rpartition(".")[0] for key in tensors}):
            if path not in self._layers:
                self._layers[path] = BankedLinear(self._lm.get_submodule(path))
                self._lm.set_submodule(path, self._layers[path])
            down = tensors[f"{path}.down"].flatten(0, 1)
            up = block_diagonal(tensors[f"{path}.up"]) * scale
            self._layers[path].attach(name, down.to(device, dtype), up.to(device, dtype))
        self._names.append(name)

    def remove(self, name: str) -> None:
        """Detach an adapter; the layers that none is left for are as they were before.

        Raises:
            ModelError: there is none of that name.
        """
        self._check([name])
        self.use(())
        self._names.remove(name)
        for path, layer in list(self._layers.items()):
            layer.detach(name)
            if layer.idle:
                self._lm.set_submodule(path, layer.base)
                del self._layers[path]

    def use(self, rows: Sequence[str | None]) -> None:
        """Say which adapter each row of the model's next inputs has; one stands for all rows.

        Raises:
            ModelError: one of them is not attached.
        """
        if not self._names and not any(rows):
            return
        rows = tuple(rows)
        if rows == self._rows:
            return
        self._check(rows)
        self._rows = rows
        for layer in self._layers.values():
            layer.choose(rows)

    def _check(self, rows: Sequence[str | None]) -> None:
        unknown = [name for name in rows if name is not None and name not in self._names]
        if unknown:
            attached = ", ".join(map(repr, self._names)) or "none"
            raise ModelError(
                f"no adapter {unknown[0]!r} is attached to the model; attached are: {attached}"
            )
