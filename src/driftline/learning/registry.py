"""Runs on disk: immutable versions of everything that was learned, and the one that answers now.

    RUN/current.json               which version answers
    RUN/versions/VERSION/run.json  cutoff, data fingerprint, settings, parent, shares, checksums
                        /data/     the dataset that it was fitted on
                        /models/   the blend with its arms
                        /interest/ topics, dynamics, forecast weights

A version is written beside the others and renamed into place when it is whole, then `current.json` is replaced; so
whatever goes wrong on the way, the version that answered before still answers. One process saves at a time, and an
update only upon the version that it learned from, so that of two at once none loses its events in silence.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from driftline import __version__
from driftline.data.dataset import Dataset, Repeats, detect_repeats
from driftline.data.files import file_sha256, replace_text, sync
from driftline.data.renumbering import renumbered
from driftline.data.snapshot import HEADER, read_snapshot, write_snapshot
from driftline.errors import RequestError, RunError, SaveError
from driftline.interest.model import InterestModel
from driftline.interest.topics import Topics
from driftline.learning.names import load_blend
from driftline.models.base import FittedModel
from driftline.models.storage import SEAL, sealed
from driftline.ranking.blend import FittedBlend
from driftline.ranking.expected import Expected, ItemsAhead
from driftline.ranking.recommender import Recommender
from driftline.types import format_time

FORMAT = 2
CURRENT = "current.json"
VERSIONS = "versions"
MANIFEST = "run.json"
DRAFT = ".draft-"
BESIDE = ("seconds", "topic_changes")
"""What a manifest says of how a version came about; its id is of its content, however it did."""
UNFINISHED = "unfinished"
"""Where a fit keeps what it would go on from."""


@dataclass(frozen=True)
class Manifest:
    """What a version says of itself; `cutoff_us` is the moment just after the last event that it has seen.

    `topic_changes` says what became of the topics of the version before it in the run (`interest.topic_changes`, with
    `since`, that version); None where there was none. `expected` is what was learned of items ahead, by horizon
    (`ranking.expected`).
    """

    version: str
    cutoff_us: int
    fingerprint: str
    parent: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    topic_changes: Mapping[str, Any] | None = None
    expected: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """One version of a run, loaded: the data, the blend with its arms, the interests."""

    folder: Path
    manifest: Manifest
    dataset: Dataset
    blend: FittedBlend
    interest: InterestModel

    @property
    def version(self) -> str:
        """The version's id: the first letters of the hash of its content."""
        return self.manifest.version

    @property
    def cutoff_us(self) -> int:
        """The moment just after the last event that this version has seen."""
        return self.manifest.cutoff_us

    @property
    def models(self) -> dict[str, FittedModel]:
        """Every fitted model by its short name, the blend among them."""
        return {**self.blend.arms, self.blend.name: self.blend}

    def recommender(self, at_us: int) -> Recommender:
        """What answers `recommend` at a moment; its slates carry the provenance."""
        dataset, repeats = self.dataset, self._repeats(at_us)
        return Recommender(dataset.log, dataset.catalog, self.blend, repeats, self.provenance(at_us), self.interest)

    def items_ahead(self, at_us: int) -> ItemsAhead:
        """What answers which items a user is likely to have, from a moment on."""
        fitted = [Expected.from_json(dict(one)) for one in self.manifest.expected]
        return ItemsAhead(self.dataset.log, self.dataset.catalog, self.blend, self._repeats(at_us), fitted)

    def _repeats(self, at_us: int) -> Repeats:
        """As of then: what people repeat afterwards must not say what an earlier answer leaves out."""
        return self.dataset.repeats or detect_repeats(self.dataset.log.before(at_us).positive)

    def provenance(self, at_us: int) -> dict[str, Any]:
        """What every answer says of the model behind it: version, cutoff, and whether it has seen past `at`."""
        return {
            "model_version": self.version,
            "model_cutoff": format_time(self.cutoff_us),
            "hindsight": self.cutoff_us > at_us,
        }


def save_run(folder: Path, manifest: Manifest, dataset: Dataset, blend: FittedBlend, interest: InterestModel) -> Run:
    """Write a new version into RUN and make it the current one; the version id is filled in from the content."""
    require_run_or_nothing(folder)
    try:
        versions = folder / VERSIONS
        versions.mkdir(parents=True, exist_ok=True)
        with _alone(versions):
            _require_current(folder, manifest.parent)
            draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=versions))
            try:
                written = _write_version(draft, manifest, dataset, blend, interest)
                _publish(draft, versions / written.version)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            replace_text(folder / CURRENT, json.dumps({"format": FORMAT, "version": written.version}, indent=2))
    except OSError as error:
        raise SaveError(
            f"could not write {folder}: {error.strerror or error}; what was there still answers; free some space"
        ) from error
    return Run(folder, written, dataset, blend, interest)


def load_run(folder: Path, at_us: int | None = None) -> Run:
    """The version that answers at a moment: the newest of the same data that had not seen past it, else the current.

    It reads the data of the current version, which knows what happened between an older one's cutoff and the moment.
    """
    current, version = _version_for(folder, None), _version_for(folder, at_us)
    place = folder / VERSIONS / version
    manifest = read_manifest(place)
    _check_sums(place)
    dataset = read_snapshot(place / "data")
    if version != current:
        _check_sums(folder / VERSIONS / current)
        newest = read_snapshot(folder / VERSIONS / current / "data")
        dataset = renumbered(newest, dataset.log.users, dataset.log.items)
    return Run(folder, manifest, dataset, load_blend(place / "models"), InterestModel.load(place / "interest"))


def read_manifest(place: Path) -> Manifest:
    """What a version says of itself; RunError where it is damaged or from another format."""
    document = _read_json(place / MANIFEST)
    if document.get("format") != FORMAT:
        raise RunError(f"expected {place} in format {FORMAT}, got {document.get('format')}; fit again")
    if document.pop(SEAL, None) is None or sealed(document) != (place / MANIFEST).read_text(encoding="utf-8"):
        raise RunError(f"expected {MANIFEST} as it was saved in {place}, got an altered one; fit again")
    try:
        return Manifest(**document["manifest"])
    except (KeyError, TypeError) as error:
        raise RunError(f"expected a whole {MANIFEST} in {place}, got {error!r}; fit again") from error


def versions_of(folder: Path) -> list[Manifest]:
    """Every whole version of a run, by cutoff."""
    places = [place.parent for place in (folder / VERSIONS).glob(f"[!.]*/{MANIFEST}")]
    return sorted((read_manifest(place) for place in places), key=lambda one: (one.cutoff_us, one.version))


class NamedTopics(NamedTuple):
    """Topics, and the version that they are of."""

    version: str
    topics: Topics


def topics_before(folder: Path, name: str) -> NamedTopics | None:
    """The topics of the version that answers now; None where no version was fitted on data of this name.

    None, too, where they cannot be read: a new fit is what heals a damaged run, so it must not stop at one.
    """
    try:
        version = _version_for(folder, None)
        same = _data_name(folder, version) == name
        return NamedTopics(version, Topics.load(folder / VERSIONS / version / "interest")) if same else None
    except (RunError, RequestError):
        return None


def fingerprint(dataset_folder: Path) -> str:
    """A hash over the bytes of a written dataset snapshot."""
    sums = {path.relative_to(dataset_folder).as_posix(): file_sha256(path) for path in _files(dataset_folder)}
    return _digest(sums)


def _write_version(
    draft: Path, manifest: Manifest, dataset: Dataset, blend: FittedBlend, interest: InterestModel
) -> Manifest:
    for name in ("data", "models", "interest"):
        (draft / name).mkdir()
    write_snapshot(dataset, draft / "data")
    blend.save(draft / "models")
    interest.save(draft / "interest")
    sums = {path.relative_to(draft).as_posix(): file_sha256(path) for path in _files(draft)}
    facts = asdict(manifest) | {"fingerprint": fingerprint(draft / "data"), "version": ""}
    content = {key: value for key, value in facts.items() if key not in BESIDE} | {"files": sums}
    facts["version"] = _digest(content)[:12]
    document = {"format": FORMAT, "driftline": __version__, "manifest": facts, "sha256": sums}
    (draft / MANIFEST).write_text(sealed(document), encoding="utf-8")
    for path in _files(draft):
        sync(path)
    return Manifest(**facts)


@contextmanager
def _alone(versions: Path) -> Iterator[None]:
    """Wait until no other process saves into the run; what a killed one left half written goes."""
    handle = os.open(versions, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in versions.glob(f"{DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


def _require_current(folder: Path, parent: str | None) -> None:
    """SaveError where another process has saved since this one read the version that it learns upon."""
    if parent is not None and (current := _version_for(folder, None)) != parent:
        raise SaveError(
            f"expected version {parent} to answer still in {folder}, got {current} from another process; update again"
        )


def _publish(draft: Path, place: Path) -> None:
    """Give a whole draft its name; the same content twice is one version."""
    if place.exists():
        return
    draft.chmod(0o755)
    draft.rename(place)
    sync(place.parent)


def _version_for(folder: Path, at_us: int | None) -> str:
    if not (folder / CURRENT).is_file():
        raise RequestError(f"expected a run folder with {CURRENT}, got {folder}; make one with driftline fit")
    document = _read_json(folder / CURRENT)
    if document.get("format") != FORMAT:
        raise RunError(f"expected {folder} in format {FORMAT}, got {document.get('format')}; fit again")
    current = document.get("version")
    if (
        not isinstance(current, str)
        or Path(current).name != current
        or not (folder / VERSIONS / current / MANIFEST).is_file()
    ):
        raise RunError(f"expected the version that {folder / CURRENT} names, got {current!r}; fit again")
    if at_us is None:
        return current
    name = _data_name(folder, current)
    earlier = [one for one in versions_of(folder) if one.cutoff_us <= at_us and _data_name(folder, one.version) == name]
    if not earlier or current in [one.version for one in earlier]:
        return current
    forebears = _forebears(folder, current)
    return max(earlier, key=lambda one: (one.cutoff_us, one.version in forebears, one.version)).version


def _forebears(folder: Path, version: str) -> set[str]:
    """The versions that a version was updated from, as far as they are there."""
    parents = {one.version: one.parent for one in versions_of(folder)}
    found: set[str] = set()
    while (parent := parents.get(version)) is not None and parent not in found:
        found.add(parent)
        version = parent
    return found


def _data_name(folder: Path, version: str) -> object:
    """What the data of a version is called: one run folder may hold fits of different data."""
    return _read_json(folder / VERSIONS / version / "data" / HEADER).get("name")


def _check_sums(place: Path) -> None:
    sums = _read_json(place / MANIFEST).get("sha256", {})
    for name, expected in sums.items():
        path = place / name
        if not path.is_file() or file_sha256(path) != expected:
            raise RunError(f"expected {name} as it was saved in {place}, got a missing or altered file; fit again")


def require_run_or_nothing(folder: Path) -> None:
    """RequestError where a folder holds other things than a run, or what a fit that was killed has left."""
    others = folder.is_dir() and any(inside.name != UNFINISHED for inside in folder.iterdir())
    if folder.is_file() or (others and not (folder / VERSIONS).is_dir()):
        raise RequestError(
            f"expected a new folder or an existing run, got {folder} with other things in it; name another"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"expected readable JSON in {path}, got {error}; fit again") from error
    if not isinstance(document, dict):
        raise RunError(f"expected a JSON object in {path}, got {type(document).__name__}; fit again")
    return document
