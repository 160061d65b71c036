"""Step: check the input tables and split them at the cut."""

from kfp import dsl
from kfp.dsl import Dataset, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("check_tables"), install_kfp_package=False)
def check_tables(
    source: str,
    source_digest: str,
    cut: str,
    window_days: int,
    settings: str,
    history: Output[Dataset],
    holdout: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Check tables; events before the cut become `history`, the window after it `holdout`."""
    from colisten.components.launch import launch

    launch("check_tables", locals())
