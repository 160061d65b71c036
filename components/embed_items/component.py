"""Step: vectors for the whole catalogue by an HGNN that is there already."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("embed_items"), install_kfp_package=False)
def embed_items(
    graph: Input[Dataset],
    text: Input[Dataset],
    hgnn: Input[Model],
    settings: str,
    vectors: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Embed every item on the whole graph, each fold's graph and the earlier one; train nothing."""
    from colisten.components.launch import launch

    launch("embed_items", locals())
