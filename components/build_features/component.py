"""Step: the feature repository that training rows are joined from."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("build_features"), install_kfp_package=False)
def build_features(
    history: Input[Dataset],
    text: Input[Dataset],
    cut: str,
    settings: str,
    features: Output[Dataset],
) -> None:
    """Write Feast's offline sources as of the cut and apply the definitions."""
    from colisten.components.launch import launch

    launch("build_features", locals())
