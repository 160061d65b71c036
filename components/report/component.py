"""Step: the reports an analyst opens."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from colisten.components.image import image_of


@dsl.component(base_image=image_of("report"), install_kfp_package=False)
def report(
    history: Input[Dataset],
    features: Input[Dataset],
    release: Input[Artifact],
    graph: Input[Dataset],
    text: Input[Dataset],
    cut: str,
    backtest_cut: str,
    home: str,
    settings: str,
    drift: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """What the graph looks like; how users, vectors and scores drift between two windows."""
    from colisten.components.launch import launch

    launch("report", locals())
