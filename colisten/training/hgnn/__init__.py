"""The HGNN's training: `train_hgnn` and what it gives."""

from colisten.extras import needs

needs("torch")

from colisten.models.catalogue import embed_catalogue
from colisten.training.hgnn.files import HGNNResult, load_hgnn
from colisten.training.hgnn.train import train_hgnn

__all__ = ["HGNNResult", "embed_catalogue", "load_hgnn", "train_hgnn"]
