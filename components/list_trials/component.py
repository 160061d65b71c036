"""Step: how many trials there are, so that a pipeline can go through them."""

from kfp import dsl
from kfp.dsl import Dataset, Input, OutputPath

from colisten.components.image import image_of


@dsl.component(base_image=image_of("list_trials"), install_kfp_package=False)
def list_trials(
    trials: Input[Dataset],
    settings: str,
    numbers: OutputPath(list),  # type: ignore[valid-type]
) -> None:
    """Number the trials."""
    from colisten.components.launch import launch

    launch("list_trials", locals())
