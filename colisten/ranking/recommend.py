"""The best list of every user, written to one parquet file of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.errors import EvaluationError
from colisten.files import write_aside
from colisten.logs import logger
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.top_k import RankedBlock, Scorer, ranked_blocks

SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        ("score", pa.float32()),
    ]
)
ROWS_PER_GROUP = 1 << 18

log = logger("recommend")


def recommend(
    users: EligibleUsers,
    scorer: Scorer,
    catalogue: Catalogue,
    out: Path,
    *,
    depth: int,
    block_megabytes: int = 256,
) -> int:
    """Write the best `depth` items of every user to `out`.

    The file has user_id, item_id, rank (int32, from 1) and score (float32), sorted by user_id and
    rank. A user never gets an item started before the cut, and gets fewer rows where fewer
    candidates are left. Memory is bounded by a block of users and a row group.

    Args:
        users: Who, with what each started before; see `eligible.eligible_users`.
        scorer: Scores of user rows over all items of the target type, such as `Ranker.scores`.
        catalogue: Items in the order of the scores.
        out: File to write, whole or not at all.
        depth: Items per user.
        block_megabytes: Memory of one block of scores.

    Returns:
        Rows written.

    Raises:
        EvaluationError: Scores are wrong or the catalogue is not that of the users.
    """
    target = catalogue.slice_of(users.target_type)
    if target.stop - target.start != len(users.available):
        raise EvaluationError(
            f"The catalogue has {target.stop - target.start} items of type "
            f"{users.target_type}, the users were drawn from {len(users.available)}.",
            "Use one catalogue for both.",
        )
    user_ids = pa.array(users.user_ids, pa.string())
    item_ids = pa.array(catalogue.item_ids[target], pa.string())
    blocks = ranked_blocks(
        scorer, users, depth, block_megabytes=block_megabytes, label="recommending"
    )
    written = 0
    with write_aside(out) as aside, parquet.writer(aside, SCHEMA, compression="zstd") as writer:
        for group in _row_groups(_table(block, user_ids, item_ids) for block in blocks):
            writer.write_table(group, row_group_size=max(1, len(group)))
            written += len(group)
    log.info("recommendations written", users=len(users), rows=written, file=str(out))
    return written


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in pieces of about `ROWS_PER_GROUP`."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROWS_PER_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _table(block: RankedBlock, user_ids: pa.Array, item_ids: pa.Array) -> pa.Table:
    row, place = np.nonzero(block.items >= 0)
    return pa.table(
        [
            user_ids.take(pa.array(block.rows[row])),
            item_ids.take(pa.array(block.items[row, place])),
            pa.array((place + 1).astype(np.int32)),
            pa.array(block.scores[row, place]),
        ],
        schema=SCHEMA,
    )
