"""What is written tells who listened to what: it is its owner's alone.

Said once, where a process of ours begins: the `colisten` command and a worker of the service. Steps
and the index server are started by these and follow. `import colisten` in a program of somebody
else changes nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from colisten.variables import OCTAL, UMASK

OWN_ALONE = 0o077


def write_privately(variables: Mapping[str, str]) -> None:
    """Files and folders that this process and its children make are nobody else's to read.

    Args:
        variables: `COLISTEN_UMASK` says otherwise, e.g. 027 where a group shares them. What is no
            mask says nothing here; `check_variables` refuses it.
    """
    given = variables.get(UMASK, "")
    os.umask(int(given, 8) if OCTAL.fullmatch(given) else OWN_ALONE)
