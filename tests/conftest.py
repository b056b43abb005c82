"""Settings of all tests."""

import os

from hypothesis import settings

# On a machine that decides whether a change lands, property tests try the same examples every time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
