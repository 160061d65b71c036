"""Step: the feature repository that training rows are joined from."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_features(
    history: Input[Dataset],
    text: Input[Dataset],
    cut: str,
    settings: str,
    features: Output[Dataset],
) -> None:
    """Write Feast's offline sources as of the cut and apply the definitions.

    Args:
        history: Checked tables.
        text: Text vectors.
        cut: UTC moment; no later event enters the sources.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.moments import parse_moment
    from colisten.logs import configure_logs
    from feature_repo.repo import build_feature_repo

    configure_logs()
    build_feature_repo(
        Path(history.path),
        Path(features.path),
        as_of=parse_moment(cut, "cut"),
        settings=Settings.from_json(settings),
        text_vectors=np.load(Path(text.path) / "vectors.npy", mmap_mode="r"),
    )
