"""Step: check the input tables and split them at the cut."""

from kfp import dsl
from kfp.dsl import Dataset, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_tables(
    data: str,
    data_digest: str,
    cut: str,
    window_days: int,
    settings: str,
    code: str,
    history: Output[Dataset],
    holdout: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Check tables; events before the cut become `history`, the window after it `holdout`.

    Args:
        data: Folder of contract tables.
        data_digest: Digest of those tables; part of the cache key.
        cut: UTC moment, ISO 8601.
        window_days: Days of `holdout`.
        settings: `Settings.to_json()`.
        code: Digest of the colisten sources; part of the cache key.
    """
    import shutil
    from pathlib import Path

    from colisten.config import Settings
    from colisten.data.moments import parse_moment
    from colisten.data.prepare import check_cut, prepare_tables
    from components.figures import log_figures

    both = Path(history.path).with_name("tables")
    chosen, moment, days = Settings.from_json(settings), parse_moment(cut, "cut"), int(window_days)
    summary = prepare_tables(Path(data), both, cut=moment, window_days=days, settings=chosen)
    # A cut that leaves the towers nothing to learn from ends here, before anything is trained.
    check_cut(Path(data), cut=moment, window_days=days, settings=chosen)
    shutil.move(both / "history", history.path)
    shutil.move(both / "holdout", holdout.path)
    both.rmdir()
    counts = {f"{name}_rows": float(rows) for name, rows in summary.rows.items()}
    log_figures(metrics, counts)
    history.metadata["digest"] = summary.digest
