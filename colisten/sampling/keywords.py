"""Arguments that PyG's `LinkNeighborLoader` and torch's `DataLoader` take and this loader does not.

Those that change nothing here are accepted, those that would change a batch are refused with what
to write instead: nothing is silently something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from colisten.errors import GraphError
from colisten.words import advice, known_word, shown

# By name: the values that ask for what happens anyway, and what to do about others. Words of an
# option come from PyG 2.8.
ANYTHING = object()
NEGATIVES = "Write num_negatives=1, and negatives='uniform', 'hard' or 'in_batch'."
PYG: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "batch_sampler": ((None,), "Batches follow batch_size and balance."),
    "collate_fn": ((None,), "Use transform, which gets every batch."),
    "custom_cls": ((None,), "Use transform, which gets every batch."),
    "directed": ((True,), "Edges are those that were drawn; leave it out."),
    "disjoint": ((False, None), "Neighbourhoods of a batch are joined; leave it out."),
    "drop_last": ((False,), "Batches are of about equal size, so none need be dropped."),
    "filter_per_worker": ((ANYTHING,), ""),
    "generator": ((None,), "Every draw follows from seed."),
    "in_order": ((True,), "Batches always come in order."),
    "input_id": ((None,), "A pair's own ends are edge_label_index in n_id."),
    "is_sorted": ((ANYTHING,), ""),
    "multiprocessing_context": ((None,), "Workers are threads of this process."),
    "neg_sampling": ((None,), NEGATIVES),
    "neg_sampling_ratio": ((None, 0), NEGATIVES),
    "neighbor_sampler": ((None,), "Neighbours are drawn by num_neighbors and weighted."),
    "persistent_workers": ((ANYTHING,), ""),
    "pin_memory_device": (("", None), "Pages are pinned for the current device."),
    "replace": ((False,), "Neighbours are drawn without replacement."),
    "sampler": ((None,), "Pairs are drawn by balance."),
    "shuffle": ((True,), "Every epoch is drawn afresh, balance='none' takes every pair once."),
    "subgraph_type": (("directional",), "Edges are those that were drawn; leave it out."),
    "temporal_strategy": (("uniform",), "Older neighbours are drawn uniformly or by weight."),
    "timeout": ((0,), "Workers are threads of this process."),
    "transform_sampler_output": ((None,), "Use transform, which gets every batch."),
    "worker_init_fn": ((None,), "Workers are threads of this process."),
}
WORDS = {
    "subgraph_type": ("directional", "bidirectional", "induced"),
    "temporal_strategy": ("uniform", "last"),
}


def check_keywords(given: Mapping[str, Any], own: Collection[str]) -> None:
    """Refuse what the loader does not do.

    Args:
        given: Arguments beside the loader's own.
        own: Names of the loader's own.

    Raises:
        GraphError: An argument is unknown, its word is, or it asks for what is not done here.
    """
    for name, value in given.items():
        if name not in PYG:
            raise GraphError(f"There is no argument {name}.", advice(name, [*own, *PYG]))
        accepted, instead = PYG[name]
        word = getattr(value, "value", value)  # PyG's enumerations
        if name in WORDS:
            known_word(name, word, WORDS[name], GraphError)
        if not any(each is ANYTHING or _same(word, each) for each in accepted):
            raise GraphError(f"{name}={shown(value)} is not done here.", instead)


def _same(value: Any, accepted: Any) -> bool:
    if isinstance(accepted, bool) or accepted is None:
        return value is accepted
    return isinstance(value, str | int | float) and value == accepted
