"""RecTools' SASRec in an interpreter of its own: interactions in, lists out.

Nothing of ours is imported here. RecTools wants a numpy below 2, so it has an environment of its
own, whose interpreter runs this file:

    python3.11 -m venv own && own/bin/pip install 'rectools[torch]==0.19.0' pyarrow==21.0.0
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Fit and recommend in a folder.

    Reads `interactions.parquet` (user_id, item_id, weight, datetime) and `options.json` (`model`,
    arguments of `SASRecModel`; `first` and `last`, ids of the items that may be recommended; `k`,
    `seed`, `threads`), writes `lists.parquet` (user_id, item_id, rank).
    """
    import pandas as pd
    import torch
    from pytorch_lightning import seed_everything
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    options = json.loads((folder / "options.json").read_text())
    torch.set_num_threads(options["threads"])
    seed_everything(options["seed"])
    interactions = pd.read_parquet(folder / "interactions.parquet")
    dataset = Dataset.construct(interactions)
    model = SASRecModel(**options["model"], deterministic=True, recommend_torch_device="cpu")
    model.fit(dataset)
    known = interactions[Columns.Item].unique()
    lists = model.recommend(
        interactions[Columns.User].unique(),
        dataset,
        k=options["k"],
        filter_viewed=False,
        items_to_recommend=known[(known >= options["first"]) & (known < options["last"])],
        on_unsupported_targets="ignore",
    )
    lists[[Columns.User, Columns.Item, Columns.Rank]].to_parquet(folder / "lists.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
