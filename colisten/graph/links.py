"""Relations that a table gives: same author, same series, episode of.

A link joins two items both ways, whatever anybody listened to, so an item that nobody has touched
has neighbours too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import microseconds, utc
from colisten.errors import GraphError
from colisten.graph.given import MISSING
from colisten.graph.inputs import GraphInputs, Relations
from colisten.graph.relation import CO_LISTENED, Relation
from colisten.logs import logger

log = logger("graph")

LINKS = "links.parquet"
# The time of a link that was there before anybody noted when.
ALWAYS = MISSING + 1


def link_relations(inputs: GraphInputs) -> Relations:
    """The relations of the links table that `graph.links` asks for, as far as it has them.

    A link is there from the latest of its `since` and both items' `published_at`, as far as they
    are known, and counts where that is before `inputs.as_of`. Every link has strength 1.

    Raises:
        GraphError: The table calls a relation as the graph's own is called.
    """
    file, wanted = inputs.history / LINKS, inputs.graph.links
    if not file.exists() or wanted == ():
        return {}
    rows = parquet.read(file, columns=["item_id", "other_id", "relation", "since"])
    names = pc.unique(rows.column("relation")).to_pylist()
    if lost := sorted({*(wanted or ())} - {*names}):
        # Not there yet, perhaps: a history ends early where it measures.
        log.warning("no links of this relation", relation=lost[0], table=str(file))
    if CO_LISTENED in names:
        raise GraphError(
            f"{file} has a relation {CO_LISTENED!r}, which counts listeners.",
            "Call it otherwise.",
        )
    links = _links(rows, inputs.catalogue)
    # Microseconds since 1970, as edges have them.
    cut = microseconds(utc(inputs.as_of))
    links = links[links.time < cut]
    relations: Relations = {}
    for name in sorted(set(names if wanted is None else wanted)):
        relations |= _both_ways(name, links[links.relation == name], inputs)
    return relations


def _links(rows: pa.Table, catalogue: Catalogue) -> pd.DataFrame:
    """Distinct links as item < other (catalogue indices), relation and time; of twins the first."""
    ends = [catalogue.index_of(rows.column(name).to_numpy()) for name in ("item_id", "other_id")]
    published = np.full(catalogue.num_items, ALWAYS)
    if "published_at" in catalogue.table.column_names:
        published = _micros(catalogue.table.column("published_at"))
    time = _micros(rows.column("since"))
    for end in ends:
        # Index -1 is no item of the catalogue, whose links go below.
        time = np.maximum(time, published[end] if len(published) else ALWAYS)
    links = pd.DataFrame(
        {
            "item": np.minimum(*ends),
            "other": np.maximum(*ends),
            "relation": rows.column("relation").to_numpy(),
            "time": time,
        }
    )
    links = links[(links["item"] >= 0) & (links["item"] != links["other"])]
    return links.sort_values("time").drop_duplicates(["relation", "item", "other"])


def _both_ways(name: str, links: pd.DataFrame, inputs: GraphInputs) -> Relations:
    item, other = (links[end].to_numpy(np.int64) for end in ("item", "other"))
    rows, near = np.concatenate([item, other]), np.concatenate([other, item])
    times = np.tile(links["time"].to_numpy(np.int64), 2)
    bounds = np.cumsum([0, *inputs.num_nodes.values()])
    types = list(inputs.num_nodes)
    of_rows, of_others = (np.searchsorted(bounds, ends, side="right") - 1 for ends in (rows, near))
    kinds = of_rows * len(types) + of_others
    relations = {}
    for kind in np.unique(kinds):
        row, neighbour = divmod(int(kind), len(types))
        of_kind = kinds == kind
        relations[types[neighbour], name, types[row]] = Relation.from_edges(
            inputs.num_nodes[types[row]],
            rows[of_kind] - bounds[row],
            near[of_kind] - bounds[neighbour],
            np.ones(int(of_kind.sum()), np.float32),
            times[of_kind],
        )
    return relations


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    """Microseconds since 1970 UTC, int64; `ALWAYS` for null."""
    micros: np.ndarray = (
        column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(ALWAYS).to_numpy()
    )
    return micros
