"""Step: what one trial is called, what it sees and what each of its steps reads."""

from kfp import dsl
from kfp.dsl import Dataset, Input, OutputPath

from colisten.components.image import image_of


@dsl.component(base_image=image_of("read_trial"), install_kfp_package=False)
def read_trial(
    trials: Input[Dataset],
    number: str,
    settings: str,
    model: OutputPath(str),  # type: ignore[valid-type]
    blocks: OutputPath(str),  # type: ignore[valid-type]
    beside: OutputPath(str),  # type: ignore[valid-type]
    build_graph_settings: OutputPath(str),  # type: ignore[valid-type]
    inspect_graph_settings: OutputPath(str),  # type: ignore[valid-type]
    train_hgnn_settings: OutputPath(str),  # type: ignore[valid-type]
    build_training_rows_settings: OutputPath(str),  # type: ignore[valid-type]
    train_towers_settings: OutputPath(str),  # type: ignore[valid-type]
    rank_settings: OutputPath(str),  # type: ignore[valid-type]
) -> None:
    """Hand on one trial of the list."""
    from colisten.components.launch import launch

    launch("read_trial", locals())
