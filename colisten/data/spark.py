"""The Spark that a step counts on, where it was started on one: see `components/entry.py`.

Which engine counts decides no byte of a result, so it is no setting and in no cache key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from colisten.extras import needs

_backends: list[Any] = []


@contextmanager
def on_spark() -> Iterator[None]:
    """Count on Spark until the block ends, as `spark-submit` or the Spark operator set it up.

    Raises:
        ConfigError: pyspark is not installed.
    """
    needs("pyspark")
    import ibis
    from pyspark.sql import SparkSession

    # Moments are those of UTC, whatever zone the cluster keeps.
    builder = SparkSession.builder.appName("colisten")
    session = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    _backends.append(ibis.pyspark.connect(session))
    try:
        yield
    finally:
        _backends.pop()
        session.stop()


def spark_backend() -> Any | None:
    """The Ibis backend of the Spark that is counted on; None where DuckDB counts."""
    return _backends[-1] if _backends else None
