"""Step: training rows, joined point-in-time by Feast."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_training_rows(
    history: Input[Dataset],
    features: Input[Dataset],
    as_of: str,
    settings: str,
    rows: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """One row per first stream of a target item before `as_of`, with what was known just before.

    Args:
        history: Checked tables.
        features: Feast repository.
        as_of: UTC moment; streams at or after it are no examples.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    import pyarrow.compute as pc

    from colisten.config import Settings
    from colisten.data import parquet
    from colisten.data.moments import parse_moment
    from colisten.features.starts import first_starts
    from colisten.features.store import open_store, training_rows, user_rows
    from colisten.files import write_aside
    from colisten.logs import configure_logs
    from components.figures import log_figures

    configure_logs()
    examples = first_starts(
        Path(history.path),
        as_of=parse_moment(as_of, "as_of"),
        data=Settings.from_json(settings).data,
    )
    store = open_store(Path(features.path))
    table = training_rows(store, examples)
    with write_aside(Path(rows.path) / "rows.parquet") as file:
        parquet.write(table, file)
    # Once per user, what was known of them at the cut: leave-one-out examples are made of it.
    users = pc.unique(examples.column("user_id")).sort().to_pylist()
    whole = user_rows(store, users, parse_moment(as_of, "as_of"))
    with write_aside(Path(rows.path) / "users.parquet") as file:
        parquet.write(whole, file)
    counts = {"rows": float(table.num_rows)}
    log_figures(metrics, counts)
