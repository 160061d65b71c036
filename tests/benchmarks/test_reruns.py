"""What a log of Kubeflow's runner says of its steps."""

from __future__ import annotations

from benchmarks.reruns import told

LOG = """\
06:10:31.8 - INFO - Executing task \x1b[96m'embed-text'\x1b[0m
  {"component": "text", "texts": 40, "to_encode": 1, "event": "text vectors"}
06:10:39.0 - INFO - Task \x1b[96m'embed-text'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m
06:10:39.1 - INFO - Executing task \x1b[96m'train-hgnn-2'\x1b[0m
INFO:root:Task \x1b[96m'train-hgnn-2'\x1b[0m cache hit
06:10:39.2 - INFO - Task \x1b[96m'train-hgnn-2'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m
"""


def test_steps_are_told_apart_by_whether_they_were_made() -> None:
    assert told(LOG) == {"made": ["embed-text"], "taken": ["train-hgnn-2"], "encoded": 1}
    assert told("") == {"made": [], "taken": [], "encoded": 0}
