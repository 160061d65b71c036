"""Step: train the user tower and the item tower."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("train_towers"), install_kfp_package=False)
def train_towers(
    rows: Input[Dataset],
    history: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    factors: Input[Dataset],
    blocks: str,
    window_days: int,
    checkpoints: str,
    settings: str,
    towers: Output[Model],
    curve: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Train both towers and export them as ONNX with every target item's vector."""
    from colisten.components.launch import launch

    launch("train_towers", locals())
