"""Step: training rows, joined point-in-time by Feast."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("build_training_rows"), install_kfp_package=False)
def build_training_rows(
    history: Input[Dataset],
    features: Input[Dataset],
    as_of: str,
    settings: str,
    rows: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """One row per first start of a target item before `as_of`, with what was known just before."""
    from colisten.components.launch import launch

    launch("build_training_rows", locals())
