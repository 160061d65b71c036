"""A secret in the environment of whatever tests start, to be found nowhere in what that leaves."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

SECRET = "zq7-Planted-Vx93kLm2"
REFERENCE = "${PLANTED_SECRET}"
VARIABLES = {
    "PLANTED_SECRET": SECRET,
    "COLISTEN_MILVUS_TOKEN": f"root:{SECRET}",
    "AWS_SECRET_ACCESS_KEY": SECRET,
}
REDIS = f"127.0.0.1:6379,password={REFERENCE}"
"""A setting that names it."""


def holding(folder: Path, text: str = SECRET) -> list[Path]:
    """Files anywhere under a folder that hold a text, as it is or in base64."""
    wanted = text.encode()
    forms = [wanted, *(b64encode(b"x" * at + wanted)[4:-4] for at in range(3))]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(form in path.read_bytes() for form in forms)]
