"""Arrays of any lengths in one file of Arrow's: one row, a column each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

_TOLD = b"told"


def write_arrays(arrays: Mapping[str, np.ndarray], file: Path, told: str = "") -> None:
    """Write arrays by name, and a text about them."""
    columns = [
        pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), pa.array(array))
        for array in arrays.values()
    ]
    row = pa.RecordBatch.from_arrays(columns, names=list(arrays))
    schema = row.schema.with_metadata({_TOLD: told.encode()} if told else None)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(row)


def read_arrays(file: Path) -> tuple[dict[str, np.ndarray], str]:
    """What `write_arrays` wrote, memory-mapped and read-only.

    Raises:
        OSError, ValueError, pa.ArrowException: It cannot be read as that.
    """
    with pa.memory_map(str(file)) as source:
        opened = pa.ipc.open_file(source)
        row = opened.get_batch(0)
        told = (opened.schema.metadata or {}).get(_TOLD, b"").decode()
    row.validate(full=True)
    arrays = {
        name: column[0].values.to_numpy()
        for name, column in zip(row.schema.names, row.columns, strict=True)
    }
    return arrays, told
