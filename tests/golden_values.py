"""Where the golden values lie."""

import os
from pathlib import Path


def golden_folder() -> Path:
    """The folder that `SONGLOOM_GOLDEN` names, else the one beside the tests."""
    return Path(os.environ.get("SONGLOOM_GOLDEN") or Path(__file__).parent / "golden")
