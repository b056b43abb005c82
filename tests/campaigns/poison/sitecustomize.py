"""Makes prompts deadly for the worker processes of a server that is started with this on its path.

Python imports it when it starts. What it does to a process stands for whatever a library does with
an input that nobody foresaw.
"""

import os
import signal
import sys
import time

if "songloom.jobs.workers.prediction" in sys.orig_argv:
    from songloom.generation import model

    _prepare = model.prepare

    def _prepare_or_die(request, *arguments, **options):  # type: ignore[no-untyped-def]
        if request.prompt == "poison: crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if request.prompt == "poison: hang":
            time.sleep(1e6)
        return _prepare(request, *arguments, **options)

    model.prepare = _prepare_or_die  # type: ignore[assignment]
