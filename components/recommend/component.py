"""Step: every user's list, the arms' shelves and the run's metrics."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("recommend"), install_kfp_package=False)
def recommend(
    history: Input[Dataset],
    features: Input[Dataset],
    release: Input[Artifact],
    towers_text: Input[Model],
    backtest: Input[Dataset],
    measured: Input[Dataset],
    cut: str,
    window_days: int,
    home: str,
    settings: str,
    recommendations: Output[Dataset],
) -> None:
    """Write `recommendations.parquet`, `shelves/`, `metrics.json`, `slices.json` under `home`."""
    from colisten.components.launch import launch

    launch("recommend", locals())
