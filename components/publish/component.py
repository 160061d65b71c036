"""Step: publish the release, and flip to it if the gate passed."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from colisten.components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
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
    """Write everything under the new id, verify it, bring online features up, flip the pointer."""
    from colisten.components.launch import launch

    launch("publish", locals())
