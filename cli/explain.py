"""`colisten explain`: what the live release does and why, as one page."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colisten.data.prepare import SUMMARY_FILE
from colisten.errors import ConfigError, ReleaseNotFound, ReportError, TableError
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.explain.inputs import CheckedTables
    from colisten.release.loaded import LoadedRelease

_HISTORIES = "pipeline/runs/*/check-tables/history"


def explain(
    out: Annotated[Path, typer.Option("--out", help="Folder of a finished `colisten run`.")],
    sample: Annotated[int, typer.Option("--sample", min=2, help="Users asked, at most.")] = 2_000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of samples, permutations and maps.")
    ] = 0,
) -> None:
    """What drives the live release, how true its probabilities are, and what training moved.

    Writes OUT/reports/explain.html, which opens offline, and the same figures as explain.json.

    Example: colisten explain --out out
    """
    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    from colisten.explain.inputs import ExplanationInputs
    from colisten.explain.report import explain as explained
    from colisten.explain.verdict import verdicts
    from colisten.reports.explanation import to_html
    from colisten.settings.tree import Settings

    with warnings.catch_warnings():
        # ibis calls a method that DuckDB has renamed; nothing that a reader could do about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        settings = Settings()
        release = live_release(out, threads=settings.threads)
        inputs = ExplanationInputs.read(
            release,
            tables_of(out, release),
            out / "features",
            most_users=sample,
            seed=seed,
            settings=settings,
        )
    found = explained(inputs, seed=seed)
    reports = out / "reports"
    write_page(reports / "explain.html", to_html(found))
    write_json(reports / "explain.json", found, indent=1)
    console = Terminal()
    for sentence in verdicts(found):
        console.print(sentence, highlight=False)
    console.print(str(reports / "explain.html"), soft_wrap=True, highlight=False)


def live_release(out: Path, *, threads: int) -> LoadedRelease:
    """The live release of a run's folder.

    Raises:
        ReleaseNotFound: None is live.
        ReleaseCorrupt: A file of it differs from its digest.
    """
    from colisten.release.store import ReleaseStore

    release = ReleaseStore(out).load_live(threads=threads)
    if release is None:
        raise ReleaseNotFound(
            f"No release is live in {out / 'releases'}.",
            "`colisten run` publishes one; `colisten release promote ID` makes one live.",
        )
    return release


def tables_of(out: Path, release: LoadedRelease) -> CheckedTables:
    """The latest checked tables of a run's folder that a release was learned from.

    A release binds no events. The step that checks tables leaves them in a folder for each run, and
    a run that was cached refers to an older one's.

    Raises:
        ReportError: No run left tables with the cut and the items of the release.
    """
    from colisten.data.catalogue import Catalogue
    from colisten.explain.inputs import CheckedTables

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
        "A release on its own holds no events: give the folder that `colisten run` left, or run "
        "it again with the same cut.",
    )
