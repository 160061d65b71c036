"""A server of Milvus is asked where Milvus Lite is not installed, as in every image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
from pathlib import Path

sys.modules["milvus_lite"] = None  # what cannot be imported
from colisten.errors import ConfigError, VectorIndexError
from colisten.index.milvus import MilvusIndex
from colisten.settings.index import IndexSettings

root, told = Path(sys.argv[1]), {}
named = IndexSettings(backend="milvus", uri="http://127.0.0.1:9")
with MilvusIndex.companion(root, named):
    try:
        MilvusIndex.open(root, named)
    except VectorIndexError as error:
        told["server"] = str(error)
try:
    MilvusIndex.open(root, IndexSettings(backend="milvus"))
except ConfigError as error:
    told["folder"] = str(error)
print(json.dumps(told))
"""


def test_a_server_is_asked_and_a_folder_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "http://127.0.0.1:9" in told["server"]
    assert "milvus_lite" in told["folder"]
    assert "pip install" in told["folder"]
