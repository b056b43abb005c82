"""An input worker whose recordings do to it, by their names, what hostile files do to decoders."""

import os
import signal
import time
from typing import Any

from songloom.jobs.workers import input_reading


def read_inputs(request: Any, format: Any) -> Any:
    match request.input_audio.name:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(3600)
        case "greedy":
            return bytearray(64 << 30)
        case "mistake":
            raise KeyError("of ours")
    return read(request, format)


read = input_reading.read_inputs

if __name__ == "__main__":
    input_reading.read_inputs = read_inputs
    input_reading.main()
