"""A public set is measured by its name, and left out only where asked for and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import pairs, public, tables
from benchmarks.public_sets import IFDB, SETS, Cut
from colisten.settings.tree import load_settings

ONE = public.Measurement(replace(IFDB, name="here"), Cut("2020-01-01", 30))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables of a set, whose bytes alone matter here, and an empty folder of results."""
    for name in ("items", "interactions"):
        (tmp_path / "data" / IFDB.folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / IFDB.folder / f"{name}.parquet").write_bytes(name.encode())
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("COLISTEN_REAL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(pairs, "RESULTS", tmp_path / "results")
    return tmp_path / "data" / IFDB.folder


def change_tables(home: Path, _: pytest.MonkeyPatch) -> None:
    (home / "items.parquet").write_bytes(b"others")


def change_settings(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(public, "SETTINGS", load_settings(None, ("hgnn.dim=8",)))


def change_seeds(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(public, "SEEDS", 2)


def change_code(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(public, "code_digest", lambda module: "another")


def change_nothing(_: Path, __: pytest.MonkeyPatch) -> None:
    pass


CHANGES = (change_tables, change_settings, change_seeds, change_code, change_nothing)


@pytest.mark.parametrize("change", CHANGES)
def test_a_result_counts_until_something_changes(
    change: Callable[[Path, pytest.MonkeyPatch], None],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not ONE.is_measured()
    pairs.write_result(ONE.name, ONE.made_from(home))
    change(home, monkeypatch)
    assert ONE.is_measured() == (change is change_nothing)
    assert not replace(ONE, cut=replace(ONE.cut, days=31)).is_measured()


def test_what_is_measured_is_left_out_only_where_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(public, "MEASUREMENTS", {ONE.name: ONE})
    monkeypatch.setattr(
        command,
        "BENCHMARKS",
        {name: lambda name=name: ran.append(name) for name in ("a", ONE.name)},
    )
    monkeypatch.setattr(command, "GROUPS", {"public": (ONE.name,)})
    command.main([ONE.name, "--skip-measured"])
    pairs.write_result(ONE.name, ONE.made_from(home))
    command.main(["public", "a", "--skip-measured"])
    assert ran == [ONE.name, "a"]
    command.main(["public"])
    command.main([])
    assert ran[2:] == [ONE.name, "a", ONE.name]


def test_a_word_that_names_no_benchmark_is_refused() -> None:
    with pytest.raises(SystemExit, match="No benchmark \\['public_ifdb'\\]"):
        command.main(["public_ifdb"])


def test_every_set_and_cut_has_a_name_of_its_own() -> None:
    names = {f"public_{of.name}_{cut.day}" for of in SETS for cut in of.cuts}
    assert set(public.MEASUREMENTS) == names <= command.BENCHMARKS.keys()
    assert len(names) == sum(len(of.cuts) for of in SETS)
    page = (tables.ROOT / "docs/benchmarks.md").read_text()
    others = command.BENCHMARKS.keys() - names
    assert [name for name in others if f"`{name}`" not in page] == []


def test_nothing_is_measured_where_the_set_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(ONE, of=replace(IFDB, folder="elsewhere")).run()
    assert "COLISTEN_REAL_DATA has no folder elsewhere" in capsys.readouterr().out
    monkeypatch.delenv("COLISTEN_REAL_DATA")
    ONE.run()
    assert "COLISTEN_REAL_DATA is unset" in capsys.readouterr().out
    assert [*pairs.RESULTS.iterdir()] == []
