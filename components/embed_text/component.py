"""Step: text vectors for every item."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def embed_text(
    history: Input[Dataset],
    home: str,
    settings: str,
    vectors: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Encode titles and descriptions; only texts not seen before reach the encoder.

    Args:
        history: Checked tables.
        home: Folder whose `cache/text` keeps vectors across runs.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.logs import configure_logs
    from colisten.text.vectors import embed_items
    from components.figures import log_figures

    configure_logs()
    catalogue = Catalogue.read(Path(history.path))
    matrix = embed_items(catalogue, Settings.from_json(settings).text, Path(home) / "cache/text")
    Path(vectors.path).mkdir(parents=True)
    np.save(Path(vectors.path) / "vectors.npy", matrix)
    counts = {
        "items": float(len(catalogue)),
        "items_with_text": float(np.any(matrix, axis=1).sum()),
        "dim": float(matrix.shape[1]),
    }
    log_figures(metrics, counts)
