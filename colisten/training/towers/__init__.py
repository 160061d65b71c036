"""Training of the two towers."""

from colisten.training.towers.loop import TowersResult, train_towers

__all__ = ["TowersResult", "train_towers"]
