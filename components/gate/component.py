"""Step: may this candidate be promoted?"""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("gate"), install_kfp_package=False)
def gate(
    table: Input[Dataset],
    home: str,
    settings: str,
    decision: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Judge the figures from before the cut, alone and against the live release."""
    from colisten.components.launch import launch

    launch("gate", locals())
