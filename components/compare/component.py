"""Step: one table of several trainings, whose intervals hold the noise of seeds too."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("compare"), install_kfp_package=False)
def compare(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    lists: Input[list[Dataset]],
    measured: str,
    subject: str,
    as_of: str,
    window_days: int,
    settings: str,
    table: Output[Dataset],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """HR, MRR and coverage of every model over all of its trainings; all, warm and cold users."""
    from colisten.components.launch import launch

    launch("compare", locals())
