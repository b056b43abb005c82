"""Records to put into a store."""

from songloom.jobs.store.records import Job


def job(id: str = "a", **fields: object) -> Job:
    defaults: dict[str, object] = {
        "kind": "prediction", "surface": "replicate", "input": {"prompt": "pïano"}, "model": "nano",
    }  # fmt: skip
    return Job(id=id, **{**defaults, **fields})  # type: ignore[arg-type]
