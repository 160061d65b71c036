"""Step: the co-listening graph, whole and once per left-out user fold."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("build_graph"), install_kfp_package=False)
def build_graph(
    history: Input[Dataset],
    as_of: str,
    settings: str,
    graph: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Build the whole graph, one without each user fold, and one for validation."""
    from colisten.components.launch import launch

    launch("build_graph", locals())
