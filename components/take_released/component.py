"""Step: the HGNN of the live release, for pipelines that train none."""

from kfp import dsl
from kfp.dsl import Model, Output, OutputPath

from colisten.components.image import image_of


@dsl.component(base_image=image_of("take_released"), install_kfp_package=False)
def take_released(
    home: str,
    settings: str,
    hgnn: Output[Model],
    trained_until: OutputPath(str),  # type: ignore[valid-type]
) -> None:
    """Copy the live release's HGNN, and say up to when it has seen events."""
    from colisten.components.launch import launch

    launch("take_released", locals())
