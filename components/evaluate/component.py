"""Step: measure all models on a window."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("evaluate"), install_kfp_package=False)
def evaluate(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    towers: Input[Model],
    towers_text: Input[Model],
    as_of: str,
    window_days: int,
    baselines: bool,
    settings: str,
    table: Output[Dataset],
    page: Output[HTML],
    lists: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """HR, MRR and coverage with intervals for every model; all, warm and cold users."""
    from colisten.components.launch import launch

    launch("evaluate", locals())
