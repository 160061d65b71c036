"""Step: what the graph says before anything is learned from it: its findings and its factors."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("inspect_graph"), install_kfp_package=False)
def inspect_graph(
    graph: Input[Dataset],
    text: Input[Dataset],
    settings: str,
    factors: Output[Dataset],
) -> None:
    """Warn of what a model could not learn from, and compute co-listening factors."""
    from colisten.components.launch import launch

    launch("inspect_graph", locals())
