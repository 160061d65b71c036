"""Spark on this machine, as tests start it: one executor, no page, quick to be there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# What is optimised by the second compiler pays after minutes, and takes a core until then.
CONFIGURATION = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}


@contextmanager
def local_spark(folder: Path) -> Iterator[Any]:
    """The Ibis backend of a Spark in a process of its own, ended with the block."""
    import ibis
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        own = {"spark.sql.session.timeZone": "UTC", "spark.sql.warehouse.dir": str(folder)}
        for name, value in (CONFIGURATION | own).items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        try:
            yield ibis.pyspark.connect(session)
        finally:
            session.stop()
