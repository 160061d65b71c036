"""The co-listening graph as a release carries it: each recommended title's strongest neighbours.

A whole graph is too large to be served, and a reason needs no more than its strongest edges: two
hops of them lead from what a user did to a title. Strengths are kept to choose by and shown to
nobody, since an edge may stand for a single listener. `features.neighbours_in_release` leaves the
files out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colisten.errors import ReleaseCorrupt

if TYPE_CHECKING:
    from colisten.graph.graph import CoListeningGraph
    from colisten.graph.relation import Relation

ITEMS, STRENGTHS = "neighbour_items.npy", "neighbour_strengths.npy"
_NONE = -1


@dataclass(frozen=True, eq=False)
class ItemNeighbours:
    """Neighbours of the recommended items, strongest first.

    Attributes:
        items: Catalogue indices, int32 [n_target, m]; -1 behind the last.
        strengths: Of these edges, float32 [n_target, m]; 0 where there is none.
    """

    items: np.ndarray
    strengths: np.ndarray

    @classmethod
    def of(cls, graph: CoListeningGraph, target_type: str, each: int) -> ItemNeighbours:
        """The strongest `each` neighbours of every type that the graph says were co-listened."""
        # Here, since serving reads what this makes and builds no graph.
        from colisten.graph.relation import CO_LISTENED

        rows, items, strengths = [], [], []
        for (source, name, destination), relation in graph.relations.items():
            if (name, destination) != (CO_LISTENED, target_type):
                continue
            kept = _strongest(relation, each)
            rows.append(relation.rows[kept])
            items.append(relation.indices[kept].astype(np.int64) + graph.slice_of(source).start)
            strengths.append(np.asarray(relation.weights)[kept])
        shape = (graph.num_nodes.get(target_type, 0), each * len(rows))
        table = cls(np.full(shape, _NONE, np.int32), np.zeros(shape, np.float32))
        if rows:
            row, item, strength = map(np.concatenate, (rows, items, strengths))
            order = np.lexsort((item, -strength, row))
            place = row[order], _places(row[order])
            table.items[place], table.strengths[place] = item[order], strength[order]
        return table

    def write(self, folder: Path) -> None:
        """Write its two files."""
        np.save(folder / ITEMS, self.items)
        np.save(folder / STRENGTHS, self.strengths)

    @classmethod
    def read(cls, folder: Path, num_items: int, num_target: int) -> ItemNeighbours | None:
        """Read what `write` wrote, mapped and not copied; None where there is nothing.

        Raises:
            ReleaseCorrupt: The files are unreadable, or not of this catalogue.
        """
        if not (folder / ITEMS).exists():
            return None
        try:
            items, strengths = (
                np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
                for name in (ITEMS, STRENGTHS)
            )
        except (OSError, ValueError, EOFError) as error:
            raise ReleaseCorrupt(f"Cannot read neighbours in {folder}: {error}.") from error
        fits = items.ndim == 2 and len(items) == num_target and items.shape == strengths.shape
        kinds = items.dtype == np.int32 and strengths.dtype == np.float32
        inside = not items.size or (items.min() >= _NONE and items.max() < num_items)
        if not (fits and kinds and inside and np.isfinite(strengths).all()):
            raise ReleaseCorrupt(
                f"The neighbours in {folder} are not of its catalogue.", "Publish it again."
            )
        return cls(items, strengths)

    def in_memory(self) -> ItemNeighbours:
        """The same, no part of which is mapped from a file."""
        return ItemNeighbours(np.array(self.items), np.array(self.strengths))


def _strongest(relation: Relation, each: int) -> np.ndarray:
    """The strongest edges of every row, at most `each`; of equals the lower index. int64 [n]."""
    rows = relation.rows
    order = np.lexsort((relation.indices, -np.asarray(relation.weights), rows))
    return np.asarray(order[_places(rows[order]) < each])


def _places(rows: np.ndarray) -> np.ndarray:
    """Place of each entry within its row, for ascending rows [n]."""
    starts = np.searchsorted(rows, rows)
    return np.arange(len(rows)) - starts
