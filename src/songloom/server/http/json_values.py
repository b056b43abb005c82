"""JSON from outside that is kept as it was sent: whether it can be, and how what is there is shown.

What is refused here could be stored, but never be written into an answer again.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 50
"""How deep such a value may be nested."""
TOO_DEEP = "(nested too deeply to be shown)"
_HALVES = re.compile("[\ud800-\udfff]")


def can_be_kept(value: Any, depth: int = DEEPEST) -> bool:
    """Whether a value can be stored, and written as JSON again."""
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    else:
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            return False
        return True
    return depth > 0 and all(can_be_kept(item, depth - 1) for item in inner)


def make_showable(value: Any, depth: int = DEEPEST) -> Any:
    """A value that an earlier server kept although it can't be shown, without what can't be."""
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value)
    if isinstance(value, float) and not can_be_kept(value):
        return None
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return TOO_DEEP
    if isinstance(value, list):
        return [make_showable(item, depth - 1) for item in value]
    return {make_showable(name): make_showable(item, depth - 1) for name, item in value.items()}
