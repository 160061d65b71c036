"""Step: how users, vectors and scores drift under the release that is live."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("watch_drift"), install_kfp_package=False)
def watch_drift(
    history: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    cut: str,
    window_days: int,
    home: str,
    settings: str,
    drift: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Judge the last window beside those before it, under the live release."""
    from colisten.components.launch import launch

    launch("watch_drift", locals())
