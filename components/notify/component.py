"""Exit handler: tells whoever is to know how a run ended."""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus

from colisten.components.image import image_of


@dsl.component(base_image=image_of("notify"), install_kfp_package=False)
def notify(home: str, status: PipelineTaskFinalStatus) -> None:
    """Post step and reason of a run that failed to a webhook; never fails itself."""
    from colisten.components.notify.message import tell

    tell(home, status)
