"""An embedding table that can be made without memory quickly."""

from __future__ import annotations

from torch import nn


class Embedding(nn.Embedding):
    """PyTorch's, but drawing no random numbers on the meta device.

    Checkpoints are read into modules that are made there. Drawing would do nothing except make
    PyTorch import its compiler, which takes longer than all else that loading does.
    """

    def reset_parameters(self) -> None:
        """Draw the weights, where there are any."""
        if not self.weight.is_meta:
            super().reset_parameters()
