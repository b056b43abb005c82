"""Progress as a log line in tqdm's form, which the clients of hosted models read it from."""

from __future__ import annotations

from songloom.jobs.messages import Progressed

_WIDTH = 10


def progress_line(event: Progressed, seconds: float) -> str:
    """A line such as ` 45%|####5     | 180/400 [00:02<00:03, 80.0 frames/s]`.

    Args:
        event: how far the work is.
        seconds: since it began.
    """
    total = max(event.total, 1)
    share = min(event.done / total, 1.0)
    full, tenths = divmod(round(share * _WIDTH * 10), 10)
    bar = ("#" * full + (str(tenths) if tenths else "")).ljust(_WIDTH)
    rate = event.done / seconds if seconds > 0 else 0.0
    left = event.values.get("seconds_left", (total - event.done) / rate if rate else 0.0)
    measured = "".join(
        f", {name}={value:.4g}" for name, value in event.values.items() if name != "seconds_left"
    )
    stage = f" {event.stage}" if event.stage else ""
    return (
        f"{share:4.0%}|{bar}| {event.done}/{event.total} "
        f"[{_clock(seconds)}<{_clock(left)}, {rate:.1f} {event.unit}/s{measured}]{stage}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
