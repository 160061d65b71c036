"""What the live release does and why, from whatever tables it was learned from."""

from __future__ import annotations

import warnings
from pathlib import Path

from colisten.data.catalogue import Catalogue
from colisten.data.summary import SUMMARY_FILE
from colisten.errors import ConfigError, ReportError, TableError
from colisten.explain.explanation import Explanation
from colisten.explain.explanation import explain as explain_inputs
from colisten.explain.inputs import CheckedTables, ExplanationInputs
from colisten.interrupts import close_own_connection
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.release.feature_files import features_of
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.settings.engine import Engine

_HISTORIES = "steps/check_tables-*/history"


def explain(
    out: Path,
    *,
    tables: Path | None = None,
    features: Path | None = None,
    sample: int = 2_000,
    seed: int = 0,
) -> Explanation:
    """What drives the live release, how true its probabilities are, and what training moved.

    Writes OUT/reports/explain.html, which opens offline, and the same figures as explain.json.

    Args:
        out: Folder whose `releases` hold the release.
        tables: Folder of the checked tables that it was learned from, `history` and `holdout`;
            default: those of the finished run in `out`.
        features: Feast repository of the same history; default: the release's
            own in `out`.
        sample: Users asked, at most.
        seed: Of samples, permutations and maps.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseNotFound: No release is live.
        ReportError: The tables are not those of the release.
    """
    from colisten.reports.explanation import to_html

    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    with warnings.catch_warnings():
        # ibis calls a method that DuckDB has renamed; nothing that a reader could do about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        engine = Engine()
        release = live_release(out, threads=engine.threads)
        inputs = ExplanationInputs.read(
            release,
            tables_of(out, release) if tables is None else CheckedTables.read(tables),
            features or features_of(out, release.manifest),
            most_users=sample,
            seed=seed,
            engine=engine,
        )
    close_own_connection()
    explanation = explain_inputs(inputs, seed=seed)
    write_page(out / "reports" / "explain.html", to_html(explanation))
    write_json(out / "reports" / "explain.json", explanation, indent=1)
    return explanation


def live_release(out: Path, *, threads: int) -> LoadedRelease:
    """The live release of a run's folder.

    Raises:
        ReleaseNotFound: None is live.
        ReleaseCorrupt: A file of it differs from its digest.
    """
    return ReleaseStore(out).load_live(threads=threads)


def tables_of(out: Path, release: LoadedRelease) -> CheckedTables:
    """The latest checked tables of a run's folder that a release was learned from.

    A release binds no events. The step that checks tables leaves them among the finished steps.

    Raises:
        ReportError: No run left tables with the cut and the items of the release.
    """
    summaries = sorted(
        out.glob(f"{_HISTORIES}/{SUMMARY_FILE}"),
        key=lambda file: (file.stat().st_mtime, file.as_posix()),
        reverse=True,
    )
    for summary in summaries:
        try:
            tables = CheckedTables.read(summary.parents[1])
            if tables.fit(release, Catalogue.read(tables.history)):
                return tables
        except (TableError, ValueError):
            continue  # a killed run's leftovers
    raise ReportError(
        f"No checked tables of release {release.release_id} (cut {release.manifest.as_of}) at "
        f"{out / _HISTORIES}.",
        "A release on its own holds no events: name the checked tables that it was learned from, "
        "or run again with the same cut.",
    )
