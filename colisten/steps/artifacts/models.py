"""Trained models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colisten.steps.artifacts.base import FolderArtifact

if TYPE_CHECKING:
    from colisten.models.onnx_tower import OnnxUserTower


class HGNNModel(FolderArtifact):
    """A trained HGNN: weights, card, learning curve."""

    _mark = "hgnn.safetensors"


class Towers(FolderArtifact):
    """Two trained towers with every target item's vector, and the specification of features."""

    _mark = "user_tower.onnx"

    def open(self, threads: int = 1) -> OnnxUserTower:
        """The user tower and the item vectors."""
        from colisten.models.onnx_tower import OnnxUserTower

        return OnnxUserTower(self.folder, threads=threads)
