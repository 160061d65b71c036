"""python -m k8s.checks [--cluster FILE] [--kubernetes VERSION]: manifests from standard input."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colisten.errors import ColistenError
from colisten.settings.cluster import load_cluster
from k8s.checks.rendered import Rendered
from k8s.checks.run import CHECKS, findings
from k8s.checks.schemas import VERSIONS, schema_findings


def main(arguments: list[str] | None = None) -> int:
    """Print what is wrong, a line each; 1 where anything is, 2 where it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.checks",
        description="Hold rendered manifests, from standard input, against the code.",
        epilog=f"Checks: {', '.join(CHECKS)}.",
    )
    parser.add_argument("--cluster", type=Path, metavar="FILE", help="cluster.yaml beside them")
    parser.add_argument("--kubernetes", choices=VERSIONS, default=VERSIONS[-1], metavar="VERSION")
    given = parser.parse_args(arguments)
    try:
        rendered = Rendered.read(sys.stdin.read())
        cluster = None if given.cluster is None else load_cluster(given.cluster)
        # What Kubernetes refuses is mended before anybody asks what it means.
        found = schema_findings(rendered, given.kubernetes) or findings(rendered, cluster)
    except ColistenError as error:
        print(error, file=sys.stderr)
        return 2
    for one in found:
        print(one)
    if not found:
        print(f"{len(rendered.objects)} objects, nothing wrong.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
