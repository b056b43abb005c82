"""How a process that trains should be set up, before it imports PyTorch."""

from __future__ import annotations

import os


def suit_training() -> None:
    """Let threads that wait for others sleep instead of spinning, unless the user says otherwise.

    That costs a few per cent on an idle machine. On one where people do something else meanwhile,
    each of a training's short operations would wait for a thread that was put aside while the
    others spin: several times slower. It has an effect only before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
