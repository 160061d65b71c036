"""Step: train the user tower and the item tower."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_towers(
    rows: Input[Dataset],
    history: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    blocks: str,
    checkpoints: str,
    settings: str,
    towers: Output[Model],
    curve: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Train both towers and export them as ONNX with every target item's vector.

    Args:
        rows: Point-in-time training rows.
        history: Checked tables, for the catalogue.
        text: Text vectors.
        vectors: Vectors that the graph gave: z whole, per fold and as of the held-out rows;
            co-listening factors whole and as of the held-out rows.
        blocks: Item inputs: `text,z` (2T-HGNN), `text` (2T without graph) or `z` (the graph's
            vectors alone, for ablations).
        checkpoints: Folder that keeps unfinished training across runs.
        settings: `Settings.to_json()`.
    """
    import shutil
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data import parquet
    from colisten.data.catalogue import Catalogue
    from colisten.files import combined_digest, file_digest
    from colisten.logs import configure_logs
    from colisten.models.items import ItemBlocks
    from colisten.reports.curve import curve_html
    from colisten.reports.page import write_page
    from colisten.training.towers import train_towers
    from colisten.words import known_word
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    files = {
        "rows": Path(rows.path) / "rows.parquet",
        "users": Path(rows.path) / "users.parquet",
        "items": Path(history.path) / "items.parquet",
        "text": Path(text.path) / "vectors.npy",
        "z": Path(vectors.path) / "z.npy",
        "z_folds": Path(vectors.path) / "z_folds.npy",
        "z_validation": Path(vectors.path) / "z_validation.npy",
        "factors": Path(vectors.path) / "factors.npy",
        "factors_validation": Path(vectors.path) / "factors_validation.npy",
    }
    chosen_blocks = [known_word("Item block", name, ("text", "z")) for name in blocks.split(",")]
    with_graph = "z" in chosen_blocks
    with_factors = with_graph and chosen.towers.has_echo
    text_vectors = np.load(files["text"])
    item_blocks = ItemBlocks(
        # Left out, the text is a block of no columns: nothing else has to know.
        text=text_vectors if "text" in chosen_blocks else text_vectors[:, :0],
        z=np.load(files["z"]) if with_graph else None,
        z_folds=np.load(files["z_folds"], mmap_mode="r") if with_graph else None,
        z_validation=np.load(files["z_validation"], mmap_mode="r") if with_graph else None,
        factors=np.load(files["factors"]) if with_factors else None,
        factors_validation=np.load(files["factors_validation"]) if with_factors else None,
    )
    key = combined_digest(
        {name: file_digest(file) for name, file in files.items()}
        | {"settings": chosen.to_json(), "blocks": blocks}
    )
    work = Path(checkpoints) / f"towers-{key[:16]}"
    result = train_towers(
        parquet.read(files["rows"]),
        Catalogue.read(Path(history.path)),
        item_blocks,
        chosen,
        out=work,
        whole=parquet.read(files["users"]),
    )
    shutil.copytree(work, towers.path, ignore=shutil.ignore_patterns("checkpoint*"))
    figures = result.metrics()
    log_figures(metrics, figures)
    write_page(
        Path(curve.path), curve_html(result.curve, title=f"Tower loss ({blocks})", x="epoch")
    )
    shutil.rmtree(work, ignore_errors=True)
