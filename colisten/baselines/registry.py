"""Every baseline, in the order of the table."""

from __future__ import annotations

from colisten.baselines.als import ALS
from colisten.baselines.bpr import BPR
from colisten.baselines.ease import EASE
from colisten.baselines.item_knn import ITEM_KNN
from colisten.baselines.lightgcn import LIGHTGCN
from colisten.baselines.mixture import (
    POPULARITY_AND_ALS,
    POPULARITY_AND_EASE,
    POPULARITY_AND_ITEM_KNN,
)
from colisten.baselines.popularity import POPULARITY
from colisten.baselines.ridge import POPULARITY_AND_RIDGE
from colisten.baselines.sasrec import SASREC
from colisten.baselines.user_graph import HGNN_WITH_USERS

# A mixture stands behind its model, whose fit is then at hand.
BASELINES = (
    POPULARITY,
    ITEM_KNN,
    POPULARITY_AND_ITEM_KNN,
    EASE,
    POPULARITY_AND_EASE,
    ALS,
    POPULARITY_AND_ALS,
    POPULARITY_AND_RIDGE,
    BPR,
    LIGHTGCN,
    SASREC,
    HGNN_WITH_USERS,
)
