"""Every baseline, in the order of the table."""

from __future__ import annotations

from colisten.baselines.als import ALS
from colisten.baselines.bpr import BPR
from colisten.baselines.ease import EASE
from colisten.baselines.item_knn import ITEM_KNN
from colisten.baselines.lightgcn import LIGHTGCN
from colisten.baselines.popularity import POPULARITY
from colisten.baselines.user_graph import HGNN_WITH_USERS

BASELINES = (POPULARITY, ITEM_KNN, EASE, ALS, BPR, LIGHTGCN, HGNN_WITH_USERS)
