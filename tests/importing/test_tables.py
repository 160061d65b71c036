"""A warehouse's export becomes tables, or says everything that hinders it and leaves nothing."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from colisten.cli.app import program
from colisten.data import parquet, violations
from colisten.data.violation import TableViolations, Violation
from colisten.errors import ConfigError
from colisten.importing import faults
from colisten.importing.mapping import Mapping, TableMapping, mapping_from, read_mapping
from colisten.importing.proposal import propose_mapping
from colisten.importing.tables import Imported, import_tables
from colisten.logs import configure_logs

EVENTS = """listener_id,content_id,kind,action,ts,device
007,b1,book,play,2025-06-01 10:00:00,ios
007,s1,show,play,2025-06-01 11:00:00,ios
008,b1,book,like,2025-06-02 10:00:00,
008,s1,show,skip,2025-06-02 11:00:00,web
"""
MAPPING = """
timezone: Europe/Stockholm
interactions:
  file: export.csv
  columns: {listener_id: user_id, content_id: item_id, kind: item_type, action: signal, ts: timestamp}
  values:
    kind: {book: audiobook, show: podcast}
    action: {play: stream, like: follow, skip: null}
"""  # noqa: E501


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export.csv").write_text(EVENTS)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def made(work: Path, mapping: str | None = None) -> Imported:
    if mapping is not None:
        (work / "mapping.yaml").write_text(mapping)
    return import_tables(read_mapping(work / "mapping.yaml"), work / "tables")


def hindered(work: Path, mapping: str | None = None) -> list[Violation]:
    with pytest.raises((Violation, TableViolations)) as raised:
        made(work, mapping)
    assert not (work / "tables").exists()
    assert not list(work.glob(".*partial"))
    return list(raised.value.violations)  # type: ignore[attr-defined]


def test_an_export_becomes_tables_and_what_it_does_not_say_is_derived(work: Path) -> None:
    done = made(work)
    events = parquet.read(work / "tables/interactions.parquet").to_pylist()
    assert events[0] == {
        "user_id": "007",
        "item_id": "b1",
        "item_type": "audiobook",
        "signal": "stream",
        "timestamp": datetime(2025, 6, 1, 8, tzinfo=UTC),
    }
    assert [row["signal"] for row in events] == ["stream", "stream", "follow"]
    items = parquet.read(work / "tables/items.parquet").to_pylist()
    assert items == [
        {"item_id": "b1", "item_type": "audiobook", "title": None},
        {"item_id": "s1", "item_type": "podcast", "title": None},
    ]
    assert parquet.read(work / "tables/users.parquet").to_pydict() == {"user_id": ["007", "008"]}
    assert (done.tables["items"].derived, done.tables["interactions"].dropped) == (True, 1)
    assert any("'device'" in notice for notice in done.notices)
    assert "interactions: 1 row left out, as mapped." in done.notices


def test_a_catalogue_decides_the_types_and_lists_and_dates_are_read(work: Path) -> None:
    (work / "titles").mkdir()
    with gzip.open(work / "titles/a.csv.gz", "wt") as part:
        part.write("content_id;kind;name;tags;released\nb1;book;Boken;Crime|Drama;31/12/2024\n")
    (work / "titles/b.jsonl").write_text(
        '{"content_id": "s1", "kind": "show", "name": "Podden", "tags": ["News"]}\n'
    )
    mapping = MAPPING.replace(", kind: item_type", ", kind: null")
    mapping = mapping.replace("    kind: {book: audiobook, show: podcast}\n", "") + (
        "items:\n  file: titles\n"
        "  columns: {content_id: item_id, kind: item_type, name: title, tags: genres, "
        "released: published_at}\n"
        "  values: {kind: {book: audiobook, show: podcast}}\n"
        "  formats: {released: '%d/%m/%Y'}\n"
    )
    made(work, mapping)
    items = parquet.read(work / "tables/items.parquet").to_pylist()
    assert [item["genres"] for item in items] == [["Crime", "Drama"], ["News"]]
    assert items[0]["published_at"] == datetime(2024, 12, 30, 23, tzinfo=UTC)
    assert items[1]["published_at"] is None
    types = parquet.read(work / "tables/interactions.parquet").column("item_type").to_pylist()
    assert types == ["audiobook", "podcast", "audiobook"]


def test_what_events_say_of_items_and_users_is_derived(work: Path) -> None:
    (work / "export.csv").write_text(
        "user_id,item_id,item_type,signal,timestamp,title,country\n"
        "u,b,audiobook,stream,2025-06-01T10:00:00Z,Old,SE\n"
        "u,b,audiobook,stream,2025-06-02T10:00:00Z,New,\n"
        "u,s,podcast,stream,1748858400,Pod,\n"
        "u,s,podcast,stream,1748858400000,Pod,\n"
    )
    made(work, "interactions: {file: export.csv}")
    items = parquet.read(work / "tables/items.parquet").to_pylist()
    assert [item["title"] for item in items] == ["New", "Pod"]
    users = parquet.read(work / "tables/users.parquet").to_pylist()
    assert users == [{"user_id": "u", "country": "SE"}]
    times = parquet.read(work / "tables/interactions.parquet").column("timestamp").to_pylist()
    assert times[2] == times[3] == datetime(2025, 6, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(("copies", "said"), [(1, "1 row"), (3, "3 rows")])
def test_rows_that_repeat_others_are_counted_and_left_out(
    work: Path, copies: int, said: str
) -> None:
    (work / "titles.csv").write_text("content_id,kind\n" + "b1,book\n" * (1 + copies) + "s1,show\n")
    done = made(
        work,
        MAPPING + "items: {file: titles.csv, columns: {content_id: item_id, kind: item_type}, "
        "values: {kind: {book: audiobook, show: podcast}}}\n",
    )
    assert f"items: {said} left out: another says the same in every column." in done.notices
    assert done.tables["items"].dropped == copies


def test_parquet_keeps_its_types(work: Path) -> None:
    table = pa.table(
        {
            "uid": pa.array([7.0, 8.0, None]),
            "id": ["b", "s", "s"],
            "type": ["book", "podcast", "podcast"],
            "at": pa.array([1_748_858_400_000_000_999] * 3, pa.timestamp("ns", "UTC")),
        }
    )
    parquet.write(table, work / "events.parquet")
    mapping = (
        "interactions: {file: events.parquet, constants: {signal: stream}, values: "
        "{type: {book: audiobook}}, columns: {uid: user_id, id: item_id, type: item_type, "
        "at: timestamp}}"
    )
    (violation,) = hindered(work, mapping)
    assert isinstance(violation, violations.NullId)
    assert violation.rows[0].number == 2
    parquet.write(table.slice(0, 2), work / "events.parquet")
    made(work, mapping)
    rows = parquet.read(work / "tables/interactions.parquet").to_pylist()
    assert [row["user_id"] for row in rows] == ["7", "8"]
    assert rows[0]["timestamp"] == datetime(2025, 6, 2, 10, tzinfo=UTC)


def test_every_fault_is_named_at_once_with_its_rows_and_what_to_do(work: Path) -> None:
    (work / "export.csv").write_text(
        "listener_id,content_id,kind,action,ts\n"
        "u,b,book,play,2025-06-01 10:00:00\n"
        ",b,book,shuffle,2025-06-01T10:00:00Z\n"
        "u,s,show,play,13/06/2025 10:00\n"
        "u,b,show,play,2090-06-01T10:00:00Z\n"
        "too,many,columns,in,this,line\n"
    )
    (work / "titles.csv").write_text(
        "content_id,kind,age\nb,book,x\nb,show,3\ns,show,4\ns,show,4\n"
    )
    mapping = MAPPING.replace("timezone: Europe/Stockholm\n", "").replace("ts:", "tz:") + (
        "items: {file: titles.csv, columns: {content_id: item_id, kind: item_type, age: minutes}, "
        "values: {kind: {book: audiobook, show: podcast}}}\n"
        "users: {file: nowhere/*.csv}\n"
    )
    told = {fault.kind: fault for fault in hindered(work, mapping)}
    assert told["NoSuchColumn"].do
    assert "ts" in told["NothingMapped"].do
    assert told["UnreadableLine"].count == 1
    assert "'too,many,columns,in,this,line'" in str(told["UnreadableLine"])
    assert "'shuffle' (1)" in told["UnmappedValue"].detail
    assert told["NullId"].rows[0].number == 1
    assert told["DuplicateItem"].count == 2  # rows that say the same in all columns are one
    assert [row.number for row in told["DuplicateItem"].rows] == [0, 1]
    assert "nowhere" in told["SourceMissing"].detail
    assert all(fault.do for fault in told.values())

    told = {fault.kind: fault for fault in hindered(work, mapping.replace("tz:", "ts:"))}
    assert (told["ZoneMissing"].count, told["ZoneMissing"].rows[0].number) == (1, 0)
    assert "%d/%m/%Y %H:%M" in told["UnreadableMoment"].do
    assert told["UnreadableMoment"].rows[0].values == {"ts": "13/06/2025 10:00"}
    assert told["FutureTimestamp"].rows[0].number == 3
    assert "NullTimestamp" not in told  # it only follows


def test_hours_that_a_clock_skips_or_repeats_are_a_notice(work: Path) -> None:
    (work / "export.csv").write_text(EVENTS.replace("2025-06-01 10:00:00", "2024-10-27 02:30:00"))
    assert any("1 local time in an hour" in notice for notice in made(work).notices)


def test_both_ways_to_read_a_date_are_named(work: Path) -> None:
    (work / "export.csv").write_text(EVENTS.replace("2025-06-", "03/04/").replace(" 1", "/2025 1"))
    (work / "export.csv").write_text(
        "listener_id,content_id,kind,action,ts\nu,b,book,play,03/04/2025\nu,s,show,play,05/06/2025\n"
    )
    (fault,) = hindered(work)
    assert "'%d/%m/%Y' and '%m/%d/%Y' fit all of them" in fault.do


def test_an_item_of_two_types_is_named(work: Path) -> None:
    (work / "export.csv").write_text(EVENTS.replace("008,b1,book", "008,b1,show"))
    (fault,) = hindered(work)
    assert isinstance(fault, violations.ItemTypeContradiction)
    assert fault.count == 2


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("interaction: {}", "interactions"),
        ("interactions: {file: export.csv, column: {}}", "columns"),
        ("interactions: {columns: {}}", "file"),
        ("timezone: Europe/Stokholm\ninteractions: {file: export.csv}", "Europe/Stockholm"),
        ("[]", "mapping of tables"),
    ],
)
def test_a_mapping_that_is_none_names_the_nearest_word(work: Path, mapping: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made(work, mapping)


def test_a_folder_that_holds_something_else_is_left_alone(work: Path) -> None:
    (work / "tables").mkdir()
    (work / "tables/letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match=r"letter\.txt"):
        made(work)
    (work / "tables/letter.txt").unlink()
    made(work)
    made(work)


PAGE = (Path(__file__).parents[2] / "docs/import.md").read_text()


def test_the_page_names_every_fault_and_every_word() -> None:
    classes = [each for each in vars(faults).values() if isinstance(each, type)]
    told = [each for each in classes if issubclass(each, faults.ImportFault)][1:]
    assert len(told) == 10
    for each in told:
        assert f"| {each.__name__} | {each.__doc__} |" in PAGE
        assert f"── {each.__name__} " in str(faults.__doc__)
    for name in TableMapping.model_fields:
        assert f"| `{name}` | " in PAGE


def test_the_mapping_on_the_page_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    mapping = mapping_from(yaml.safe_load(example), tmp_path)
    assert mapping.items is not None
    assert mapping.items.separator == ";"


def test_the_lines_on_the_page_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert "'interactions': 3" in capsys.readouterr().out


def test_the_draft_is_a_mapping_that_asks_for_what_it_cannot_know(work: Path) -> None:
    draft = propose_mapping([Path("export.csv")])
    assert "# skip: stream, follow, preview, intent_to_pay, or null; 1 row\n" in draft
    (work / "draft.yaml").write_text(draft)
    with pytest.raises(faults.UnmappedValue, match="skip"):
        import_tables(read_mapping(work / "draft.yaml"), None)
    (work / "draft.yaml").write_text(draft.replace("# skip: stream,", "skip: preview #"))
    done = import_tables(read_mapping(work / "draft.yaml"), None)
    assert done.tables["interactions"].rows == 4
    assert isinstance(mapping_from({"interactions": {"file": "export.csv"}}, work), Mapping)


def test_the_command(work: Path) -> None:
    configure_logs("warning")

    def ask(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(program(), ["import", *arguments])
        return done.exit_code, done.stdout

    code, printed = ask("mapping.yaml", "--dry-run")
    assert code == 0
    assert "interactions  3 rows" in printed
    assert "nothing was written" in printed
    assert not (work / "tables").exists()
    code, printed = ask("mapping.yaml", "--out", "tables", "--json")
    assert (code, json.loads(printed)["tables"]["interactions"]["rows"]) == (0, 3)
    (work / "mapping.yaml").write_text(MAPPING.replace(", skip: null", ""))
    code, printed = ask("mapping.yaml", "--out", "tables", "--json")
    (fault,) = json.loads(printed)["violations"]
    assert (code, fault["violation"], fault["count"]) == (2, "UnmappedValue", 1)
    code, printed = ask("export.csv")
    assert (code, "interactions:" in printed) == (0, True)
