"""Wheels without what only a debugger reads: of some, nine bytes in ten."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo


def strip_wheel(wheel: Path) -> None:
    """Strip the compiled modules of a wheel, in place, where that makes it much smaller.

    Libraries that the wheel's maker moved into it (`*.libs/`) are left alone: their headers were
    rewritten, which strip does not always take.

    Raises:
        subprocess.CalledProcessError: strip failed.
    """
    with tempfile.TemporaryDirectory(dir=wheel.parent) as name, ZipFile(wheel) as whole:
        changed: dict[str, bytes] = {}
        for info in whole.infolist():
            if _is_module(info):
                found = whole.read(info)
                stripped = _stripped(found, Path(name))
                if len(stripped) < 0.95 * len(found):
                    changed[info.filename] = stripped
        if not changed:
            return
        aside = wheel.with_suffix(".partial")
        with ZipFile(aside, "w", ZIP_STORED) as smaller:
            for info in whole.infolist():
                content = changed.get(info.filename) or whole.read(info)
                if info.filename.endswith(".dist-info/RECORD"):
                    content = _recorded(content.decode(), changed).encode()
                info.compress_type = ZIP_STORED
                smaller.writestr(info, content)
        shutil.move(aside, wheel)


def _is_module(info: ZipInfo) -> bool:
    top, _, _ = info.filename.partition("/")
    name = info.filename.rpartition("/")[2]
    return ".so" in name and not top.endswith(".libs") and info.file_size > 100_000


def _stripped(content: bytes, folder: Path) -> bytes:
    file = folder / "module.so"
    file.write_bytes(content)
    strip = shutil.which("strip") or "strip"
    subprocess.run([strip, "--strip-unneeded", file], check=True, stderr=subprocess.PIPE)
    return file.read_bytes()


def _recorded(record: str, changed: dict[str, bytes]) -> str:
    """RECORD, with digests and sizes of what has changed."""
    lines = []
    for line in record.splitlines():
        name = line.partition(",")[0]
        if name in changed:
            digest = hashlib.sha256(changed[name]).digest()
            text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            line = f"{name},sha256={text},{len(changed[name])}"
        lines.append(line)
    return "\n".join([*lines, ""])
