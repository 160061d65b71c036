"""The bundled encoder, run by torch's own transformer: all-MiniLM-L6-v2, a BERT of six layers.

Its weights are BERT's and torch has that encoder, so neither sentence-transformers nor transformers
is loaded for it: that takes ten seconds of CPU in every process that encodes a single new title.
Vectors are those of sentence-transformers, to rounding.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch", "tokenizers")

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from colisten.json_files import read_mapping

MOST_TOKENS = 256
"""What the model is told of a longer text is its beginning; `sentence_bert_config.json` says so."""
# Of a layer: torch's name and BERT's. The three maps of the attention are one in torch.
_SAME = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


class MiniLM:
    """Unit vectors of texts: the mean of what the last layer has for their tokens.

    Args:
        folder: Of the model: `model.safetensors`, `tokenizer.json` and `config.json`.
    """

    name = "minilm"

    def __init__(self, folder: Path) -> None:
        config = read_mapping(folder / "config.json")
        self.dim = int(config["hidden_size"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        weights = load_file(folder / "model.safetensors")
        self._embeddings = _Embeddings(weights, config["layer_norm_eps"])
        layer = nn.TransformerEncoderLayer(
            self.dim,
            config["num_attention_heads"],
            config["intermediate_size"],
            activation=config["hidden_act"],
            layer_norm_eps=config["layer_norm_eps"],
            batch_first=True,
        )
        self._layers = nn.TransformerEncoder(layer, config["num_hidden_layers"]).eval()
        self._layers.load_state_dict(_layers(weights, config["num_hidden_layers"]))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
        """Unit float32 vectors `[len(texts), dim]`."""
        tokens = [one.ids for one in self._tokenizer.encode_batch(list(texts))]
        vectors = np.zeros((len(texts), self.dim), np.float32)
        # Texts of a length are encoded together: the others of a batch would be filled up to it.
        order = np.argsort([-len(one) for one in tokens], kind="stable")
        with warnings.catch_warnings():
            # The encoder leaves padding out by nested tensors, of which torch says they may change.
            warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                vectors[rows] = self._encode([tokens[row] for row in rows]).numpy()
        return vectors

    def _encode(self, tokens: list[list[int]]) -> Tensor:
        lengths = torch.tensor([len(one) for one in tokens])
        padding = torch.arange(int(lengths.max())) >= lengths[:, None]
        filled = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in tokens], batch_first=True)
        hidden = self._layers(self._embeddings(filled), src_key_padding_mask=padding)
        mean = hidden.masked_fill(padding[..., None], 0).sum(1) / lengths[:, None]
        return nn.functional.normalize(mean, dim=1)


class _Embeddings(nn.Module):
    """What the first layer reads: of a token its word, its place, and that it is of one text."""

    def __init__(self, weights: Mapping[str, Tensor], epsilon: float) -> None:
        super().__init__()
        table = {name: weights[f"embeddings.{name}_embeddings.weight"] for name in _TABLES}
        self._words = table["word"]
        self._places = table["position"] + table["token_type"][0]
        self._norm = nn.LayerNorm(self._words.shape[1], epsilon)
        self._norm.load_state_dict(_part(weights, "embeddings.LayerNorm"))

    def forward(self, tokens: Tensor) -> Tensor:
        """Of tokens `[texts, length]` what stands for them, `[texts, length, dim]`."""
        normed: Tensor = self._norm(self._words[tokens] + self._places[: tokens.shape[1]])
        return normed


_TABLES = ("word", "position", "token_type")


def _layers(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """BERT's weights by the names of `nn.TransformerEncoder`."""
    named: dict[str, Tensor] = {}
    for number in range(layers):
        mine, berts = f"layers.{number}.", f"encoder.layer.{number}."
        for torchs, name in _SAME.items():
            for key, value in _part(weights, berts + name).items():
                named[f"{mine}{torchs}.{key}"] = value
        maps = [_part(weights, f"{berts}attention.self.{one}") for one in ("query", "key", "value")]
        for key in ("weight", "bias"):
            named[f"{mine}self_attn.in_proj_{key}"] = torch.cat([one[key] for one in maps])
    return named


def _part(weights: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: weights[f"{name}.{key}"] for key in ("weight", "bias")}
