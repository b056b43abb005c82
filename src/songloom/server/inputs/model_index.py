"""Models as clients of the HTTP API know them: `owner/name`, with versions that have ids.

Clients ask for a model by many names: `owner/name`, `owner/name:id`, an id alone, the hosted
original's names, which aliases map to models here, or simply what `songloom models` calls it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from songloom.checkpoints.catalogue import KNOWN, KnownModel, known_model
from songloom.checkpoints.configs import read_json
from songloom.checkpoints.home import FACTS, TrainedModel, trained_model, trained_models
from songloom.errors import ModelError
from songloom.jobs.store.records import Job, Version
from songloom.jobs.store.store import Store
from songloom.settings import ORIGINAL, ServeSettings

OWNER = "songloom"
"""Whose the models are that were not trained here."""
ORIGINAL_IDS = (
    "bc57274e2930af17c1d692516a4e6bd67618af425db3b2107c28c2100f031934",
    "8d02c56b9a3d69abd2f1d6cc1a65027de5bfef7f0d34bd23e0624ecabb65acac",
    "b1ec6490e57013463006e928abc7acd8d623fe3e8321d3092e1231bf006898b1",
    "aa4abfe6774b6c14f7835cbd284c0a55cec095ea4ae956493af28a52d00643b6",
    "055c82cff5c1716bb08e1982ce0df1f36bc3278c54a56f3c9f8c171e2f3a1080",
    "2ca0fec2be6ff9177b1eafd1d0a4d23db44582e23c4b9392ee75574d35dadeac",
    "49611069287e103d53c00073ddff59c2669dcc1c4b4ba9447d4f719ff96f87c2",
    "4a55fb8297d11f0a6f1a1780b31d91e0374f64c9c79f67f8796920a8c221c783",
    "67de41b0032700d36f0782101750c98c3dd9585966c3a0d64552577797e2bdcc",
    "6d89fa8d6d4f208fbdd639c65933241934aa312efabe657bb71f349ee7a7c734",
    "78a2e7db9bd8f1a02b5d8dfe4d7a998eb12ea405714d6a290f3341b2cea83415",
    "7ac673ee8f05cb1cb14b8a093e17a2ebce54431448855121d7b363e3ca0112c6",
    "99c108292acefa659caacda381119bbbce78c0d15d9f6879d5ddc4e15c8ca1fe",
    "abc6df0c7e174b2b2d3a29ee846541cb6d1482e88f10358f7baa09fe82c4e832",
    "acb6f76bb00fc2de5fe28245cede5a9abaea4c04456a408d8a82e05e9a013e65",
    "fda7ee6350c849f16ee6e793772c200aded83adf46c65e04269e140051a11f89",
)
"""Published versions of the original, the newest first: some clients send nothing but an id."""
_DATED = datetime(2026, 1, 1, tzinfo=UTC)
"""Clients want a date of every version; models that come with songloom have none of their own."""
_ID = re.compile(r"[0-9a-f]{64}")
_START = re.compile(r"[0-9a-f]{8,63}")
"""How an id begins: people copy the first eight digits, which pages show."""


@dataclass(frozen=True)
class ModelVersion:
    """A model that can be asked for."""

    id: str
    """64 hexadecimal digits."""
    owner: str
    name: str
    model: str
    """The local model: what `load` takes."""
    created_at: datetime = _DATED
    training: str = ""
    """Id of the training that made it."""

    @property
    def title(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def base(self) -> str | None:
        """The model to train where a training's input names none.

        None for the original, which trains what `model_version` says, that has a default.
        """
        return None if self.title == ORIGINAL else self.model


@dataclass(frozen=True)
class VersionedModel:
    """A model with its versions."""

    owner: str
    name: str
    description: str
    latest: ModelVersion
    mine: bool
    """Whether it was trained here."""


class ModelIndex:
    """All models that clients can ask for.

    Args:
        store: knows the published versions.
        settings: of the server.
    """

    def __init__(self, store: Store, settings: ServeSettings) -> None:
        self._store, self._settings = store, settings
        self._aliases = settings.alias_table()

    def resolve(self, reference: str) -> ModelVersion | None:
        """Find the version that a name or an id stands for; None without one.

        Args:
            reference: `owner/name`, `owner/name:id`, an id, an alias, or a local model's name. Of
                an id, eight digits are enough where no other begins with them.

        Raises:
            ModelError: several ids begin so.
        """
        # What is called so wins, even if it looks like the start of an id.
        named = None if ":" in reference else self._resolve(reference)
        return named or self._resolve(self._with_whole_id(reference))

    def _with_whole_id(self, reference: str) -> str:
        """A reference by the whole id where it has only the start of one."""
        title, colon, start = reference.rpartition(":")
        if not _START.fullmatch(start):
            return reference
        versions = [v for v in self._all_versions() if not title or v.title == title]
        ids = dict.fromkeys(version.id for version in versions)
        if title in ("", ORIGINAL):
            ids |= dict.fromkeys(ORIGINAL_IDS)
        found = [id for id in ids if id.startswith(start)]
        if len(found) > 1:
            raise ModelError(
                f"{reference!r} may be {' or '.join(found)}; give more digits of the one you mean"
            )
        return f"{title}{colon}{found[0]}" if found else reference

    def _resolve(self, reference: str) -> ModelVersion | None:
        title, _, id = reference.partition(":")
        if reference in self._aliases or (id and title in self._aliases):
            return self._aliased_version(
                title, id, self._aliases.get(reference) or self._aliases[title]
            )
        if not id and _ID.fullmatch(title):
            return self._find_by_id(title)
        return self._resolve_unaliased(reference)

    def _resolve_unaliased(self, reference: str) -> ModelVersion | None:
        if reference == self._settings.model or known_model(reference):
            return self._local_version(reference)
        if "/" in reference:
            named = (
                v for v in self._local_versions() if reference in (v.title, f"{v.title}:{v.id}")
            )
            return next(named, None)
        trained = trained_model(reference)
        return (
            None if trained is None or trained.kind == "broken" else self._trained_version(trained)
        )

    def models(self) -> list[VersionedModel]:
        """All models: the trained ones, the newest first, then those that were there before."""
        titles = dict.fromkeys(version.title for version in self._all_versions())
        found = (self.model(*title.split("/", 1)) for title in titles)
        return [model for model in found if model is not None]

    def model(self, owner: str, name: str) -> VersionedModel | None:
        """A model, None where there is none."""
        versions = self.versions(owner, name)
        if not versions:
            return None
        latest = versions[0]
        mine = any(version.title == latest.title for version in self._own_versions())
        return VersionedModel(owner, name, self._describe(latest), latest, mine)

    def versions(self, owner: str, name: str) -> list[ModelVersion]:
        """A model's versions, the newest first."""
        title = f"{owner}/{name}"
        return [v for v in self._all_versions() if v.title == title]

    def model_of(self, job: Job) -> str:
        """`owner/name` of the model that a job asked for, or runs."""
        for reference in (job.version, job.model):
            version = self.resolve(reference) if reference else None
            if version is not None:
                return version.title
        return f"{OWNER}/{Path(job.model).name}"

    def _find_by_id(self, id: str) -> ModelVersion | None:
        for alias, model in self._aliases.items():
            if alias.endswith(f":{id}"):
                return self._aliased_version(alias.removesuffix(f":{id}"), id, model)
        if id in ORIGINAL_IDS:
            return self._aliased_version(ORIGINAL, id, self._aliases[ORIGINAL])
        return next((v for v in self._all_versions() if v.id == id), None)

    def _own_versions(self) -> Iterator[ModelVersion]:
        """Versions that were trained here, by this server and by the command line; newest first."""
        trained = {model.name: model for model in trained_models() if model.kind != "broken"}
        published = [version for version in self._store.all_versions() if version.model in trained]
        # Their order is the store's, since a clock may have been set back.
        yield from map(_from_published, published)
        names = trained.keys() - {version.model for version in published}
        others = [self._unpublished_version(trained[name]) for name in names]
        yield from sorted(others, key=lambda version: (version.created_at, version.id))[::-1]

    def _local_versions(self) -> Iterator[ModelVersion]:
        """All versions by the names that they have of themselves; trained ones first."""
        yield from self._own_versions()
        names = [self._settings.model, *(model.name for model in KNOWN)]
        for name in dict.fromkeys(names):
            if trained_model(name) is None:
                yield self._local_version(name)

    def _all_versions(self) -> Iterator[ModelVersion]:
        """The same, and then what aliases call them."""
        yield from self._local_versions()
        for alias, model in self._aliases.items():
            title, _, id = alias.partition(":")
            if "/" in title:
                yield self._aliased_version(title, id, model)

    def _trained_version(self, model: TrainedModel) -> ModelVersion:
        """The newest version that a trained model was published as, or one that it always has."""
        for version in self._store.all_versions():
            if version.model == model.name:
                return _from_published(version)
        return self._unpublished_version(model)

    def _unpublished_version(self, model: TrainedModel) -> ModelVersion:
        created = _creation_time(model)
        id = _digest(f"trained {model.name} {created.isoformat()}")
        return ModelVersion(id, self._settings.owner, model.name, model.name, created)

    def _local_version(self, reference: str) -> ModelVersion:
        """The version of a model by what `load` calls it; of a folder, only its name is told."""
        trained = trained_model(reference)
        if trained is not None:
            return self._trained_version(trained)
        known = known_model(reference)
        if known is not None:
            id = _digest(f"{OWNER}/{known.name} {known.source}")
            return ModelVersion(id, OWNER, known.name, known.name)
        owner, _, name = reference.rpartition("/")
        hub = re.fullmatch(r"\w[\w.-]*", owner) and not Path(reference).exists()
        return ModelVersion(_digest(reference), owner if hub else OWNER, name, reference)

    def _aliased_version(self, title: str, id: str, model: str) -> ModelVersion:
        """A version under a name that an alias gives it."""
        target = self._resolve_unaliased(model) or self._local_version(model)
        owner, _, name = title.rpartition("/")
        if not id:
            id = ORIGINAL_IDS[0] if title == ORIGINAL else _digest(f"alias {title} {target.id}")
        return ModelVersion(
            id, owner or target.owner, name, target.model, target.created_at, target.training
        )

    def _describe(self, version: ModelVersion) -> str:
        known = known_model(version.model)
        if known is not None:
            alias = "" if version.title == f"{OWNER}/{known.name}" else f"{known.name}: "
            return f"{alias}{_describe_known(known)}"
        trained = trained_model(version.model)
        return f"Fine-tuned from {trained.base}." if trained and trained.base else "A model."


def _from_published(version: Version) -> ModelVersion:
    return ModelVersion(
        version.id, version.owner, version.name, version.model, version.created_at, version.training
    )


def _describe_known(model: KnownModel) -> str:
    sound = "stereo" if model.channels == 2 else "mono"
    melody = ", follows melodies" if model.melody else ""
    size = f", {model.parameters}" if model.parameters else ""
    return f"MusicGen, {sound}{melody}{size}; licence of the weights: {model.licence}."


def _creation_time(model: TrainedModel) -> datetime:
    """When a model was trained; its folder's date where nothing says so."""
    try:
        created = datetime.fromisoformat(str(read_json(model.path / FACTS).get("created")))
        return created if created.tzinfo else created.replace(tzinfo=UTC)
    except (ModelError, ValueError):
        return datetime.fromtimestamp(model.path.stat().st_mtime, UTC)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
