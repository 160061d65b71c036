"""Step: train the user tower and the item tower."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np

from colisten.models.items import ItemBlocks
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import FeatureSettings
from colisten.settings.towers import TowerSettings
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.rows import TrainingRows
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import Factors, ItemVectors, TextVectors
from colisten.steps.settings import Setting, Without

BLOCKS = ("text", "z")


class Trained(NamedTuple):
    """The towers and their learning curve."""

    towers: Towers
    curve: HtmlPage
    metrics: Metrics


def train_towers(
    rows: TrainingRows,
    history: History,
    text: TextVectors,
    vectors: ItemVectors | None,
    factors: Factors | None,
    blocks: str,
    window_days: int,
    checkpoints: Path,
    *,
    data: Annotated[DataSettings, Without("filterable", "text_vectors")],
    histories: Annotated[FeatureSettings, Setting("features")],
    towers: TowerSettings,
    # The best epoch is picked by the measure that counts.
    k: Annotated[int, Setting("evaluation.k")],
    seed: int,
    engine: Engine,
    out: Path,
) -> Trained:
    """Train both towers and export them as ONNX with every target item's vector.

    Args:
        rows: Point-in-time training rows.
        history: Checked tables, for the catalogue.
        text: Text vectors.
        vectors: The HGNN's vectors; needed where `blocks` names z.
        factors: Co-listening factors; needed likewise.
        blocks: Item inputs: `text,z` (2T-HGNN), `text` (2T without graph) or `z` (the graph's
            vectors alone, for ablations).
        window_days: Days that the model is to be right for.
        checkpoints: Folder that keeps unfinished training across runs.

    Raises:
        TrainingError: Inputs do not fit, or the loss stopped being finite.
    """
    import shutil

    from colisten.files import combined_digest
    from colisten.json_files import to_json
    from colisten.training.towers.loop import train_towers as train
    from colisten.training.towers.settings import TowersTraining

    settings = TowersTraining(
        data=data,
        features=histories,
        towers=towers,
        k=k,
        window_days=window_days,
        seed=seed,
        threads=engine.threads,
    )
    key = combined_digest(
        {
            name: artifact.digest
            for name, artifact in (
                ("rows", rows),
                ("history", history),
                ("text", text),
                ("vectors", vectors),
                ("factors", factors),
            )
            if artifact is not None
        }
        | {"settings": to_json([settings, blocks])}
    )
    work = checkpoints / f"towers-{key[:16]}"
    result = train(
        rows.rows,
        history.catalogue,
        _item_blocks(text, vectors, factors if towers.has_knn_term else None, blocks),
        settings,
        out=work,
        whole=rows.users,
    )
    shutil.copytree(work, out / "towers", ignore=shutil.ignore_patterns("checkpoint*"))
    shutil.rmtree(work, ignore_errors=True)
    curve = HtmlPage.of_curve(result.curve, title=f"Tower loss ({blocks})", x="epoch")
    return Trained(Towers(out / "towers"), curve, Metrics(result.metrics()))


def _item_blocks(
    text: TextVectors, vectors: ItemVectors | None, factors: Factors | None, blocks: str
) -> ItemBlocks:
    from colisten.errors import TrainingError
    from colisten.words import known_word

    names = [known_word("Item block", name, BLOCKS) for name in blocks.split(",")]
    if "z" not in names:
        vectors, factors = None, None
    elif vectors is None:
        raise TrainingError("Towers with the block z need the HGNN's vectors.")
    matrix = np.array(text.vectors)
    return ItemBlocks(
        # Left out, the text is a block of no columns: nothing else has to know.
        text=matrix if "text" in names else matrix[:, :0],
        z=None if vectors is None else np.array(vectors.z),
        z_folds=None if vectors is None else vectors.z_folds,
        z_validation=None if vectors is None else vectors.z_validation,
        factors=None if factors is None else np.array(factors.factors),
        factors_validation=None if factors is None else np.array(factors.factors_validation),
    )
