"""Runs in the build of the image `milvus` and nowhere else, by the system's Python.

The package of PyPI unpacks its server at every start, into a folder of its user's. Here it is
unpacked once, with a configuration whose places are the image's; variables say what differs.
"""

from __future__ import annotations

import lzma
import re
from pathlib import Path
from zipfile import ZipFile

WHEELS = Path("/wheels")
HOME = Path("/opt/milvus")
DATA = "/var/lib/milvus"
# Of the template's places those that have no default; logs go to where containers log.
SAID = {
    "etcd_data_dir": f"{DATA}/etcd",
    "local_storage_dir": f"{DATA}/data",
    "rocksmq_data_dir": f"{DATA}/rocksmq",
    "system_log_path": '""',
}
_BLANK = re.compile(r"\{\{\s*(\w+)(?:\(\w+\))?\s*(?::\s*(.*?))?\s*\}\}")
GLOG = "--logtostderr=true\n--minloglevel=1\n"


def configuration(template: str) -> str:
    """milvus.yaml: the template's own values, and `SAID`."""
    return _BLANK.sub(lambda match: SAID.get(match[1], match[2]), template)


def main() -> None:
    """Unpack program, libraries and configuration."""
    (wheel,) = WHEELS.glob("milvus-*.whl")
    with ZipFile(wheel) as whole:
        for name in whole.namelist():
            if name.startswith("milvus/data/bin/"):
                file = Path(name).name.removesuffix(".lzma")
                place = HOME / ("bin" if file == "milvus" else "lib") / file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(lzma.decompress(whole.read(name)))
                place.chmod(0o755)
        configs = HOME / "configs"
        configs.mkdir()
        template = whole.read("milvus/data/config.yaml.template").decode()
        configs.joinpath("milvus.yaml").write_text(configuration(template))
        configs.joinpath("glog.conf").write_text(GLOG)


if __name__ == "__main__":
    main()
