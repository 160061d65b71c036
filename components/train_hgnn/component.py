"""Step: train the heterogeneous GNN and compute vectors for the whole catalogue."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("train_hgnn"), install_kfp_package=False)
def train_hgnn(
    graph: Input[Dataset],
    text: Input[Dataset],
    checkpoints: str,
    settings: str,
    model: Output[Model],
    vectors: Output[Dataset],
    curve: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Train on the whole graph; embed every item on it, each fold's graph and the earlier one."""
    from colisten.components.launch import launch

    launch("train_hgnn", locals())
