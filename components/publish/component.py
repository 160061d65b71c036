"""Step: publish the release, and serve it if the gate passed."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("publish"), install_kfp_package=False)
def publish(
    history: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    graph: Input[Dataset],
    hgnn: Input[Model],
    towers: Input[Model],
    table: Input[Dataset],
    decision: Input[Dataset],
    cut: str,
    home: str,
    settings: str,
    release: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Write everything under the new id and verify it; where the gate passed, serve it."""
    from colisten.components.launch import launch

    launch("publish", locals())
