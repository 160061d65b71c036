"""Step: text vectors for every item."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("embed_text"), install_kfp_package=False)
def embed_text(
    history: Input[Dataset],
    cache: str,
    settings: str,
    vectors: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Encode titles and descriptions; only texts not seen before reach the encoder."""
    from colisten.components.launch import launch

    launch("embed_text", locals())
