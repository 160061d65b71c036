"""Step: the lists of one training on a window, to be measured beside those of others."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("rank"), install_kfp_package=False)
def rank(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    towers: Input[Model],
    model: str,
    beside: str,
    as_of: str,
    window_days: int,
    settings: str,
    lists: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """The best items of every user who has a target in the window."""
    from colisten.components.launch import launch

    launch("rank", locals())
