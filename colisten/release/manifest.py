"""What a release is made of, bound by content digests.

The id is a digest of content alone. No clock, host or path enters it, so equal inputs make an
equal release; when and where it was published stands in the journal.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from colisten.errors import ReleaseCorrupt, ReleaseError
from colisten.files import file_digest
from colisten.json_files import read_model, to_json, write_json
from colisten.models.choices import Choice
from colisten.settings.data import DataSettings, FilterKind
from colisten.settings.tree import Settings, settings_from

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "signature.json"
UNBOUND = (MANIFEST, SIGNATURE)
"""Files of a release's folder that its manifest does not name."""
LIVE_ALIAS = "colisten_live"
ID_PATTERN = "r[0-9a-f]{16}(?:[0-9a-f]{16})?"
_ID = re.compile(ID_PATTERN)
_DIGITS = 32


def is_release_id(text: str) -> bool:
    """Whether a text is the id of a release, of today or of before."""
    return _ID.fullmatch(text) is not None


class FileEntry(BaseModel):
    """One file of a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int


class Bound(BaseModel):
    """What a payload says of itself.

    Attributes:
        as_of: UTC moment, ISO 8601, before which everything was learned.
        target_type: Item type that is recommended.
        context_types: The other item types of its catalogue.
        signals: Names of the signals of users' histories, in the order of their codes.
        start_signals: Those that count as a start.
        filterable: Columns that its answers can be filtered by, each with its kind.
        feature_service: Feast service that users' features come from.
        counts: Events before the cut, users who have any, starts of target items; items, target
            items, popular lists, golden users.
        dims: Length of user features, of vectors, of history vectors.
        settings: What shaped the release; nothing of the machine it was made on.
        metrics: Figures from the window before the cut; none from after it.
        choices: What its training chose between, and why.
        features: Digest over the feature store's sources that it was trained on; None where its
            payload does not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    as_of: str
    target_type: str
    # Releases of yesterday do not say these; all of them were made with what stands here.
    context_types: tuple[str, ...] | None = None
    signals: tuple[str, ...] = ("stream", "follow", "preview", "intent_to_pay")
    start_signals: tuple[str, ...] = ("stream",)
    filterable: dict[str, FilterKind] = {"language": "keyword"}
    feature_service: str
    counts: dict[str, int]
    dims: dict[str, int]
    settings: dict[str, Any]
    metrics: dict[str, Any]
    choices: tuple[Choice, ...] = ()
    features: str | None = None


class Manifest(Bound):
    """A release.

    Attributes:
        release_id: "r" and 32 hex digits of the digest over all else; 16 in releases of before.
        collection: Index collection of its item vectors.
        files: By path relative to the release folder.
    """

    release_id: str
    collection: str
    files: dict[str, FileEntry]

    @property
    def digest(self) -> str:
        """SHA-256 over all but the names, which begin with it."""
        fields = set(Bound.model_fields) & self.model_fields_set
        return _digest(Bound(**self.model_dump(include=fields)), self.files)

    @property
    def data(self) -> DataSettings:
        """Types, signals and declared columns of the tables that it was learned from."""
        recorded = {"data": self.settings["data"]}
        if weights := self.settings.get("features", {}).get("signal_weights"):
            recorded["features"] = {"signal_weights": weights}  # where they stood yesterday
        return settings_from(recorded).data

    @classmethod
    def bind(cls, bound: Bound, files: dict[str, FileEntry]) -> Self:
        """Give a payload its id.

        Raises:
            ReleaseError: A figure is not a number that JSON knows.
        """
        release_id = f"r{_digest(bound, files)[:_DIGITS]}"
        return cls(
            **bound.model_dump(exclude_unset=True),
            release_id=release_id,
            collection=f"release_{release_id}",
            files=files,
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a release folder's manifest.

        Raises:
            ReleaseCorrupt: It is missing, unreadable, or its id is not that of its content.
        """
        file = folder / MANIFEST
        try:
            manifest = read_model(file, cls)
        except (OSError, ValidationError) as error:
            raise ReleaseCorrupt(
                f"Cannot read the release at {folder}: {error}.", "Publish it again."
            ) from error
        if not is_release_id(manifest.release_id) or not manifest.digest.startswith(
            manifest.release_id[1:]
        ):
            raise ReleaseCorrupt(f"{file} was changed after publishing.", "Publish it again.")
        return manifest

    def write(self, folder: Path) -> None:
        """Write manifest.json to a release's folder: the same bytes for the same release."""
        content = self.model_dump(mode="json", exclude_unset=True)
        write_json(folder / MANIFEST, content, indent=1, sort=True)

    def check_files(self, folder: Path) -> None:
        """Compare every file with its digest.

        Raises:
            ReleaseCorrupt: One is missing, differs, or is there without being named.
        """
        present = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        extra = sorted(present - self.files.keys() - set(UNBOUND))
        if extra:
            raise ReleaseCorrupt(f"{folder} holds {extra[0]}, which its manifest does not name.")
        for name, entry in self.files.items():
            file = folder / name
            if name not in present:
                raise ReleaseCorrupt(f"{file} is missing.", "Publish the release again.")
            if file.stat().st_size != entry.bytes or file_digest(file) != entry.sha256:
                raise ReleaseCorrupt(
                    f"{file} differs from its digest.", "Publish the release again."
                )


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Digest and size of every file under `folder` that a manifest names, by relative path."""
    return {
        path.relative_to(folder).as_posix(): FileEntry(
            sha256=file_digest(path), bytes=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in UNBOUND
    }


def shaping_settings(settings: Settings) -> dict[str, Any]:
    """Settings that shape a release; those of machines, stores and serving are left out."""
    shaping = settings.model_dump(
        mode="json",
        include={
            "seed": True,
            "data": True,
            "text": True,
            "graph": True,
            "hgnn": True,
            "towers": True,
            "features": {"history_length", "half_life_days"},
            "evaluation": True,
            "gate": True,
        },
    )
    if settings.data.text_vectors is None:  # releases that were made before it keep their ids
        del shaping["data"]["text_vectors"]
    if not settings.evaluation.own_baselines:
        del shaping["evaluation"]["own_baselines"]
    if settings.gate.below_popularity == "refuse":
        del shaping["gate"]["below_popularity"]
    encoder = Path(settings.text.encoder)
    if encoder.is_absolute() or encoder.exists():
        shaping["text"]["encoder"] = encoder.name  # a model folder may lie anywhere
    return shaping


def _digest(bound: Bound, files: dict[str, FileEntry]) -> str:
    content = {
        "bound": bound.model_dump(mode="json", exclude_unset=True),
        "files": {name: entry.model_dump() for name, entry in files.items()},
    }
    try:
        text = to_json(content, sort=True, finite=True)
    except ValueError as error:
        raise ReleaseError(
            f"The release's settings or metrics hold no JSON: {error}.",
            "Write an undefined figure as null.",
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()
