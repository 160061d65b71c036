"""Every way colisten can refuse, in one tree.

    ColistenError
    ├── ConfigError            a setting is unknown or has an impossible value          exit 2
    ├── TableError             an input table breaks the contract                       exit 2
    │   └── (one class a fault: see colisten/data/violations.py)
    ├── GraphError             a co-listening graph cannot be built or read
    ├── FeatureError           the feature store cannot answer
    │   ├── FeaturesRefused    files of the feature store hold code, or are not the release's
    │   ├── EventRefused       an event that no history may hold, now or later              exit 2
    │   ├── UserUnreadable     what is stored of one user is damaged; of others it is not
    │   └── UserBusy           others write this one user's row; an event can be sent again
    ├── TextError              text vectors cannot be computed or read
    ├── TrainingError          training cannot start or cannot go on
    ├── EvaluationError        there is nothing to measure, or a measure is undefined
    ├── VectorIndexError       the vector index refuses or is out of reach
    │   └── FilterRefused      a filter names a column or value that does not fit          exit 2
    ├── TowerError             a tower server is out of reach or does not answer as it should
    │   ├── TowerBusy          its queue takes no more
    │   └── TowerAbsent        it has not got the release's model
    ├── ReleaseError           a release cannot be written, read or switched
    │   ├── ReleaseNotFound    no release of that id                                    exit 2
    │   ├── ReleaseCorrupt     a file's digest differs from the manifest, or a pointer names none
    │   ├── ReleaseUnsigned    a release is not signed by the key that is asked for
    │   ├── VerifyFailed       a candidate did not pass its own verification
    │   └── GateRefused        a candidate is worse than its gate allows
    ├── StoreError             the bucket of releases refuses, or is no store
    │   ├── StoreUnreachable   it cannot be reached, or breaks off; what is served stays
    │   └── StoreChanged       another writer was first; nothing of this one's is served
    ├── PipelineError          a pipeline step failed; names the step and its log
    ├── ReportError            a report has no data to stand on
    └── FileError              a file or folder cannot be read or written
        └── JsonError          a file or text is no strict JSON; a ValueError as well

Each message says what is wrong, where, and what to do next. `exit_code` is what the command
line returns: 2 where the caller's input is at fault, 1 where the work failed.
"""

from __future__ import annotations


class ColistenError(Exception):
    """Root of the tree.

    Args:
        what: What is wrong and where, in one sentence.
        do: What the reader can do about it, in one sentence.
    """

    exit_code = 1

    def __init__(self, what: str, do: str = "") -> None:
        self.what = what
        self.do = do
        super().__init__(f"{what} {do}".strip())


class ConfigError(ColistenError):
    """A setting is unknown or its value is impossible."""

    exit_code = 2


class TableError(ColistenError):
    """An input table breaks the contract. Its fault classes live in `colisten.data.violations`."""

    exit_code = 2


class GraphError(ColistenError):
    """A co-listening graph cannot be built or read."""


class FeatureError(ColistenError):
    """The feature store cannot answer."""


class FeaturesRefused(FeatureError):
    """Files of the feature store hold what would be run as code, or are not those published."""


class EventRefused(FeatureError):
    """An event that no history may hold: its sender's fault, and sending it again is no use.

    Args:
        what: What is wrong, in one sentence.
        do: What the sender can do about it.
        field: The field of the event that is at fault.
    """

    exit_code = 2

    def __init__(self, what: str, do: str = "", *, field: str) -> None:
        self.field = field
        super().__init__(what, do)


class UserUnreadable(FeatureError):
    """What the store holds of one user is damaged; it can answer for others."""


class UserBusy(FeatureError):
    """Others are writing this one user's row, and went on while it was waited for."""


class TextError(ColistenError):
    """Text vectors cannot be computed or read."""


class TrainingError(ColistenError):
    """Training cannot start or cannot go on."""


class EvaluationError(ColistenError):
    """There is nothing to measure, or a measure is undefined."""


class VectorIndexError(ColistenError):
    """The vector index refuses or is out of reach."""


class RecallMissed(VectorIndexError):
    """An index does not find what is asked of it, however far it looks."""


class FilterRefused(VectorIndexError):
    """A filter names a column that is not declared, or a value that is none of its kind.

    Args:
        what: What is wrong, in one sentence.
        do: What is known, or what to write.
        column: The column at fault.
    """

    exit_code = 2

    def __init__(self, what: str, do: str = "", *, column: str) -> None:
        self.column = column
        super().__init__(what, do)


class TowerError(ColistenError):
    """A tower server is out of reach or does not answer as it should."""


class TowerBusy(TowerError):
    """Its queue takes no more, or would answer too late: it lives, and says so."""


class TowerAbsent(TowerError):
    """It lives and has not got the release's model."""


class ReleaseError(ColistenError):
    """A release cannot be written, read or switched."""


class ReleaseNotFound(ReleaseError):
    """No release of that id."""

    exit_code = 2


class ReleaseCorrupt(ReleaseError):
    """A file's digest differs from the manifest."""


class ReleaseUnsigned(ReleaseError):
    """A release is not signed, or not by the key that is asked for, or its content is another."""


class VerifyFailed(ReleaseError):
    """A candidate did not pass its own verification."""


class GateRefused(ReleaseError):
    """A candidate is worse than its gate allows."""


class StoreError(ColistenError):
    """The bucket of releases refuses, or holds what no store does."""


class StoreUnreachable(StoreError):
    """The bucket of releases cannot be reached, or breaks off."""


class StoreChanged(StoreError):
    """Another writer was first: nothing of this one's is served."""


class PipelineError(ColistenError):
    """A pipeline step failed."""


class ReportError(ColistenError):
    """A report has no data to stand on."""


class FileError(ColistenError):
    """A file or folder cannot be read or written."""


class JsonError(FileError, ValueError):
    """A file or text is no strict JSON.

    Whoever knows what the file was for catches it as the ValueError that it is.
    """
