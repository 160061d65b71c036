"""Command lines that cannot work, by hundreds: what people give commands, and what rots on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import CUT

DAY = CUT.date().isoformat()


@dataclass(frozen=True)
class Ground:
    """Sound things that a case may point at; nothing in it may change.

    Attributes:
        tables: Contract tables.
        home: A folder with two releases, the first live, and an experiment.
        world: A simulated world.
        graph: A saved graph.
        releases: Ids of the releases.
    """

    tables: Path
    home: Path
    world: Path
    graph: Path
    releases: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A command line and what lies in its folder.

    Attributes:
        name: For people.
        arguments: `{work}`, `{tables}`, `{home}`, `{world}`, `{graph}`, `{release}` are filled in.
        prepare: Called with the case's own empty folder `{work}` and the ground.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Path, Ground], None] = field(default=lambda work, ground: None)


def all_cases() -> list[Case]:
    """The corpus, in the order of the commands."""
    found = [
        *paths(),
        *tables(),
        *rotten_json(),
        *settings(),
        *moments(),
        *numbers(),
        *shares(),
        *ids_and_addresses(),
        *events(),
    ]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return found


# --- paths ---------------------------------------------------------------------------------------


def _nothing(path: Path) -> None:
    pass


def _text(path: Path) -> None:
    path.write_text("no such thing\n")


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _closed(path: Path) -> None:
    path.mkdir(mode=0)


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(1000))


# What stands at a path, and how the path is written.
AT_PATH: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nothing": ("{work}/x", _nothing),
    "a file": ("{work}/x", _text),
    "zeros": ("{work}/x", _zeros),
    "below a file": ("{work}/x/y/z", _text),
    "an empty folder": ("{work}/x", _folder),
    "a loop": ("{work}/x", _loop),
    "a dangling link": ("{work}/x", _dangling),
    "a closed folder": ("{work}/x/y", _closed),
    "a long name": ("{work}/" + "x" * 300, _nothing),
    "a long path": ("{work}/" + "x" * 200 + "/y" * 2500, _nothing),
    "a NUL": ("{work}/a\0b", _nothing),
    "empty": ("", _nothing),
    "no UTF-8": ("{work}/\udc80\udcff", _nothing),
    "marks": ("{work}/item_type=podcast/[red]*?'\"\n\t\u202e\x1b[31mß🎧", _nothing),
    "/dev/null": ("/dev/null", _nothing),
    "/proc/self/mem": ("/proc/self/mem", _nothing),
    "a device's inside": ("/dev/null/x", _nothing),
}
# Options that name something to read, `@` where the path goes.
READS: dict[str, tuple[str, ...]] = {
    "check": ("check", "--data", "@"),
    "check json": ("check", "--data", "@", "--json"),
    "recommend": ("recommend", "--out", "@", "--user", "u"),
    "recommend users": ("recommend", "--out", "{home}", "--users", "@"),
    "similar": ("similar", "--out", "@", "--item", "a000", "--json"),
    "import": ("import", "@"),
    "run data": ("run", "--data", "@", "--cut", DAY, "--out", "{work}/out"),
    "run config": (
        *("run", "--data", "{work}/none", "--cut", DAY, "--out", "{work}/out", "--config", "@"),
    ),
    "ablate data": ("ablate", "--data", "@", "--cut", DAY, "--out", "{work}/out"),
    "compile cluster": ("pipeline", "compile", "--out", "{work}/p.yaml", "--cluster", "@"),
    "submit": ("pipeline", "submit", "--source", "/t", "--cut", DAY, "--cluster", "@"),
    "schedule": ("pipeline", "schedule", "--source", "/t", "--cron", "x", "--cluster", "@"),
    "status": ("pipeline", "status", "--cluster", "@"),
    "explain": ("explain", "--out", "@"),
    "serve": ("serve", "--out", "@"),
    "serve config": ("serve", "--out", "{work}/none", "--config", "@"),
    "release list": ("release", "list", "--out", "@"),
    "release show": ("release", "show", "live", "--out", "@"),
    "release verify": ("release", "verify", "{release}", "--out", "@"),
    "release verify config": (
        *("release", "verify", "{release}", "--out", "{home}", "--config", "@"),
    ),
    "release sign": ("release", "sign", "{release}", "--out", "@", "--key", "{work}/none"),
    "release sign key": ("release", "sign", "{release}", "--out", "{home}", "--key", "@"),
    "release promote": ("release", "promote", "{release}", "--out", "@"),
    "release publish": ("release", "publish", "{release}", "--out", "@"),
    "release fill": ("release", "fill", "--out", "@"),
    "release rollback": ("release", "rollback", "--out", "@"),
    "release prune": ("release", "prune", "--out", "@"),
    "triton write": ("triton", "write", "--out", "@"),
    "forget": ("forget", "u0001", "--out", "@"),
    "forget tables": ("forget", "u0001", "--out", "{home}", "--tables", "@", "--dry-run"),
    "events push": (
        *("events", "push", "--out", "@", "--user", "u", "--item", "a000", "--type", "audiobook"),
    ),
    "graph report": ("graph", "report", "@", "--out", "{work}/out"),
    "graph report text": ("graph", "report", "{graph}", "--out", "{work}/out", "--text", "@"),
    "graph report history": ("graph", "report", "{graph}", "--out", "{work}/out", "--history", "@"),
    "experiment simulate data": ("experiment", "simulate", "--data", "@", "--out", "{home}"),
    "experiment simulate out": ("experiment", "simulate", "--data", "{world}", "--out", "@"),
    "experiment report data": ("experiment", "report", "--data", "@", "--out", "{home}"),
    "experiment report out": ("experiment", "report", "--data", "{world}", "--out", "@"),
    "experiment report exposures": (
        *("experiment", "report", "--data", "{world}", "--out", "{home}", "--exposures", "@"),
    ),
    "monitor check": ("monitor", "check", "--out", "@"),
    "monitor check rules": ("monitor", "check", "--out", "{home}", "--rules", "@"),
    "monitor fill rules": ("monitor", "fill", "--out", "{home}", "--rules", "@"),
    "monitor ui rules": ("monitor", "ui", "--out", "{home}", "--rules", "@"),
}
# Options that name something to write, on paths where nothing can be written.
WRITES: dict[str, tuple[str, ...]] = {
    "run out": ("run", "--data", "{tables}", "--cut", DAY, "--window-days", "30", "--out", "@"),
    "ablate out": (
        *("ablate", "--data", "{tables}", "--cut", DAY, "--window-days", "30", "--out", "@"),
    ),
    "simulate out": (
        *("simulate", "--users", "20", "--audiobooks", "40", "--podcasts", "40", "--days", "28"),
        *("--out", "@"),
    ),
    "import out": ("import", "{tables}/../mapping.yaml", "--out", "@"),
    "demo out": ("demo", "--out", "@"),
    "graph report out": ("graph", "report", "{graph}", "--out", "@"),
    "pipeline run out": (
        *("pipeline", "run", "--data", "{tables}", "--cut", DAY, "--window-days", "30"),
        *("--out", "@"),
    ),
    "compile out": ("pipeline", "compile", "--out", "@"),
    "recommend to": ("recommend", "--out", "{home}", "--user", "u0001", "--to", "@"),
    "triton repository": ("triton", "write", "--out", "{home}", "--repository", "@"),
}
UNWRITABLE = (
    *("a file", "below a file", "a loop", "a long name", "a long path", "a NUL", "/dev/null"),
    *("a device's inside",),
)


def paths() -> Iterator[Case]:
    """Every option that takes a path, on everything that a path can be."""
    for option, arguments in READS.items():
        for kind, (written, make) in AT_PATH.items():
            if (option, kind) == ("release verify config", "/dev/null"):
                continue  # settings that say nothing: the default index, which is opened
            if option == "monitor check" and kind in ("an empty folder", "empty"):
                continue  # a folder without reports: an alert, which is written down
            yield _at_path(option, kind, arguments, written, make)
    for option, arguments in WRITES.items():
        for kind in UNWRITABLE:
            if (option, kind) != ("compile out", "a file"):  # it is there to be written
                yield _at_path(option, kind, arguments, *AT_PATH[kind])


def _at_path(
    option: str,
    kind: str,
    arguments: tuple[str, ...],
    written: str,
    make: Callable[[Path], None],
) -> Case:
    def prepare(work: Path, ground: Ground) -> None:
        make(work / "x")

    filled = tuple(written if part == "@" else part for part in arguments)
    return Case(f"{option}: {kind}", filled, prepare)


# --- tables --------------------------------------------------------------------------------------


def _cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _no_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


def _huge_footer(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8] + b"\xff\xff\xff\x7fPAR1")


def _noise(file: Path) -> None:
    file.write_bytes(b"PAR1" + bytes(range(256)) * 16 + b"PAR1")


def _flipped(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    for at in range(len(whole) * 3 // 4, len(whole) - 8, 7):
        whole[at] ^= 0x55
    file.write_bytes(whole)


def _no_rows(file: Path) -> None:
    pq.write_table(pq.read_table(file).slice(0, 0), file)


def _no_columns(file: Path) -> None:
    pq.write_table(pa.table({}), file)


def _one_column(file: Path) -> None:
    pq.write_table(pa.table({"\u0000x\n": [1]}), file)


def _lists(file: Path) -> None:
    table = pq.read_table(file)
    columns = {name: [[{"a": None}]] * len(table) for name in table.column_names}
    pq.write_table(pa.table(columns), file)


def _nulls(file: Path) -> None:
    table = pq.read_table(file)
    columns = {
        name: pa.nulls(len(table), table.schema.field(name).type) for name in table.schema.names
    }
    pq.write_table(pa.table(columns), file)


def _numbers(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(pa.table({name: [1.5] * len(table) for name in table.column_names}), file)


def _twins(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.append_column(table.column_names[0], table.column(0)), file)


def _bytes(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(
        pa.table({name: [b"\xff\xfe"] * len(table) for name in table.column_names}), file
    )


def _is_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _is_loop(file: Path) -> None:
    file.unlink()
    _loop(file)


def _is_empty(file: Path) -> None:
    file.write_bytes(b"")


def _is_text(file: Path) -> None:
    file.write_text("user_id,item_id\n1,2\n")


def _is_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _is_gone(file: Path) -> None:
    file.unlink()


BROKEN = {
    "cut short": _cut_short,
    "without its end": _no_end,
    "with a huge footer": _huge_footer,
    "noise": _noise,
    "flipped bytes": _flipped,
    "no rows": _no_rows,
    "no columns": _no_columns,
    "another column": _one_column,
    "lists of structs": _lists,
    "nulls": _nulls,
    "numbers": _numbers,
    "twin columns": _twins,
    "bytes": _bytes,
    "a folder": _is_folder,
    "a loop": _is_loop,
    "empty": _is_empty,
    "text": _is_text,
    "a pipe": _is_pipe,
    "gone": _is_gone,
}
ON_TABLES = {
    "check": ("check", "--data", "{work}/data", "--json"),
    "run": ("run", "--data", "{work}/data", "--cut", DAY, "--out", "{work}/out"),
    "ablate": ("ablate", "--data", "{work}/data", "--cut", DAY, "--out", "{work}/out"),
}
# Optional tables that hold nothing are fine; a run would begin.
SOUND = {("users", "gone"), ("music", "gone"), ("users", "no rows"), ("music", "no rows")}


def tables() -> Iterator[Case]:
    """Each table broken in each way; required ones through every command that takes tables."""
    for table in ("items", "interactions", "users", "music"):
        for kind, spoil in BROKEN.items():
            for command, arguments in ON_TABLES.items():
                required = table in ("items", "interactions")
                if command != "check" and (not required or hash_of(table, kind) % 3):
                    continue
                yield Case(f"{command}: {table} {kind}", arguments, _spoiled(table, spoil))


def hash_of(*words: str) -> int:
    """A small number that is the same in every process."""
    return sum(map(ord, "".join(words)))


def _spoiled(table: str, spoil: Callable[[Path], None]) -> Callable[[Path, Ground], None]:
    def prepare(work: Path, ground: Ground) -> None:
        (work / "data").mkdir()
        for file in ground.tables.glob("*.parquet"):
            (work / "data" / file.name).write_bytes(file.read_bytes())
        spoil(work / "data" / f"{table}.parquet")

    return prepare


# --- JSON ----------------------------------------------------------------------------------------

JSON = {
    "empty": b"",
    "cut short": b'{"release_id": "r0',
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "an object": b"{}",
    "NaN": b'{"release_id": NaN, "test": NaN, "format": NaN}',
    "twice": b'{"release_id": "r1", "release_id": "r2"}',
    "no UTF-8": b'{"release_id": "\xff\xfe"}',
    "half a pair": b'{"release_id": "\\ud800", "previous": "\\udfff"}',
    "deep": b"[" * 50_000,
    "wrong kinds": b'{"release_id": [1], "previous": {"a": 1}, "test": [], "format": "x"}',
    "long": b'{"release_id": "' + b"../" * 5_000 + b'", "previous": null}',
    "many digits": b'{"release_id": ' + b"9" * 5_000 + b"}",
}
# Files of a home, and who reads them.
ON_JSON: dict[str, tuple[tuple[str, ...], ...]] = {
    "releases/LIVE": (
        ("release", "list", "--out", "{work}/home"),
        ("release", "show", "live", "--out", "{work}/home"),
        ("release", "rollback", "--out", "{work}/home"),
        ("serve", "--out", "{work}/home"),
        ("explain", "--out", "{work}/home"),
    ),
    "releases/{release}/manifest.json": (
        ("release", "list", "--out", "{work}/home", "--json"),
        ("release", "show", "{release}", "--out", "{work}/home", "--json"),
        ("release", "verify", "{release}", "--out", "{work}/home"),
        ("explain", "--out", "{work}/home"),
    ),
    "releases/{release}/spec.json": (("release", "verify", "{release}", "--out", "{work}/home"),),
    "releases/{release}/golden_set/top.json": (
        ("release", "verify", "{release}", "--out", "{work}/home", "--json"),
    ),
    "releases/journal.jsonl": (
        ("release", "list", "--out", "{work}/home"),
        ("release", "verify", "live", "--out", "{work}/home", "--set", "index.backend=exact"),
    ),
    "metrics.json": (
        ("experiment", "simulate", "--data", "{world}", "--out", "{work}/home"),
        ("experiment", "report", "--data", "{world}", "--out", "{work}/home"),
    ),
    "index/exact/aliases.json": (
        ("release", "verify", "live", "--out", "{work}/home"),
        ("release", "promote", "{release}", "--out", "{work}/home"),
    ),
    "graph/graph.json": (("graph", "report", "{work}/home/graph", "--out", "{work}/out"),),
}


def rotten_json() -> Iterator[Case]:
    """Each JSON file of ours rotten in each way, through every command that reads it."""
    for file, commands in ON_JSON.items():
        for kind, content in JSON.items():
            for arguments in commands:
                yield Case(
                    f"{' '.join(arguments[:2])}: {file.rpartition('/')[2]} {kind}",
                    arguments,
                    _rotten(file, content),
                )


def _rotten(file: str, content: bytes) -> Callable[[Path, Ground], None]:
    def prepare(work: Path, ground: Ground) -> None:
        _linked(ground.home, work / "home")
        target = work / "home" / file.format(release=ground.releases[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(content)

    return prepare


def _linked(source: Path, target: Path) -> None:
    """A copy whose small files are copies; what is large is linked."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


# --- settings ------------------------------------------------------------------------------------

OVERRIDES = (
    *("", "=", "seed", "seed=", "=1", ".=1", "..a=1", "seed.x=1", "seed=-1", "seed=x", "seed=1.5"),
    *("towers.epochs=[", "towers.epochs={a", "towers.epochs=!!python/object:os.system {}"),
    *("towers.epochs=!!python/object/apply:os.system ['true']", "threads=0", "threads=-3"),
    *("threads=.nan", "towers.learning_rate=.inf", "towers.learning_rate=-.inf"),
    *("graph.window_days=99999999999999999999", "hgnn=5", "hgnn=[]", "hgnn={1: 2}", "towers=null"),
    *("hgnn.dim={a: {b: {c: 1}}}", "data.target_type=film", "data.target_type=Audiobook"),
    *("preset=papre", "preset=[]", "memory_limit=lots", "memory_limit=", "index.uri=5"),
    *("unknown.thing=1", "towers.hidden=[1, two]", "towers.hidden=[-1]", "seed=2001-01-01"),
    *("seed=&a 1", "hgnn={x: &a 1, y: *a}", "seed=" + "9" * 400, "seed=" + "[" * 3_000),
    *("x" * 5_000 + "=1", "seed=\udc80", "\udc80=1", "seed=\x00", "seed=\x1b[31m", "seed=0x1G"),
    *("seed=1:2:3", "seed=1e400", "hgnn={dim: 1, dim: 2}", "seed=? a", "seed=- - -", "seed=%x"),
    *("text.encoder={home}/none", "text.encoder=", "gate.metric=nothing", "seed=2020-13-45"),
    *("features.signal_weights={stream: .nan}", "features.signal_weights={film: 1}", "seed=*a"),
)
BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
)
FILES: dict[str, bytes] = {
    "a list": b"- 1\n- 2\n",
    "a text": b"hello",
    "a number": b"5",
    "binary": bytes(range(256)),
    "unfinished": b"hgnn: {",
    "tabs": b"hgnn:\n\tdim: 5\n",
    "a bomb": BOMB.encode(),
    "itself": b"hgnn: &a\n  dim: *a\n",
    "an object": b"seed: !!python/object/new:os.system [true]\n",
    "number keys": b"1: 2\n3: {4: 5}\n",
    "null keys": b"null: 1\n~: 2\n",
    "list keys": b"? [a, b]\n: 1\n",
    "map keys": b"? {a: b}\n: 1\n",
    "deep": b"[" * 20_000,
    "deep maps": b"".join(b" " * n + b"a:\n" for n in range(1_500)),
    "twice": b"seed: 1\nseed: 2\n",
    "two documents": b"seed: 1\n---\nseed: 2\n",
    "huge": b"seed: 1 # " + b"x" * 2_000_000,
    "latin 1": "text: {encoder: Ærø}".encode("latin-1"),
    "utf 16": "seed: x".encode("utf-16"),
    "merge": b"a: &a {seed: 1}\nhgnn:\n  <<: *a\n",
    "unknown": b"hgnn: {dimension: 5}\n",
}


def settings() -> Iterator[Case]:
    """Overrides and files of settings, through the commands that take them."""
    takers = {
        "run": ("run", "--data", "{work}/none", "--cut", DAY, "--out", "{work}/out"),
        "ablate": ("ablate", "--data", "{work}/none", "--cut", DAY, "--out", "{work}/out"),
        "serve": ("serve", "--out", "{work}/none"),
        "release verify": ("release", "verify", "r0123456789abcdef", "--out", "{home}"),
    }
    for at, override in enumerate(OVERRIDES):
        for number, (command, arguments) in enumerate(takers.items()):
            if command == "run" or at % 3 == number - 1:
                name = f"{command}: --set {at} {ascii(override)[:40]}"
                yield Case(name, (*arguments, "--set", override))
    for at, (kind, content) in enumerate(FILES.items()):
        for number, (command, arguments) in enumerate(takers.items()):
            if command == "run" or at % 3 == number - 1:
                yield Case(
                    f"{command}: --config {kind}",
                    (*arguments, "--config", "{work}/settings.yaml"),
                    _file("settings.yaml", content),
                )


def _file(name: str, content: bytes) -> Callable[[Path, Ground], None]:
    def prepare(work: Path, ground: Ground) -> None:
        (work / name).write_bytes(content)

    return prepare


# --- moments, numbers, shares, ids, addresses, events --------------------------------------------

MOMENTS = (
    *("", " ", "now", "today", "yesterday", "0", "0000-01-01", "0001-01-01", "9999-12-31", "-1"),
    *("99999-01-01", "2025", "2025-13-01", "2025-02-29", "2025-06-31", "2025-06-16T25:00:00Z"),
    *("2025-06-16T12:00:00+99:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("16.06.2025", "06/16/2025", "２０２５-０６-１６", "٢٠٢٥-٠٦-١٦", "2025-06-16Z", "1750000000"),
    *("2025-W99-1", "2025-06-16 noon", "\udc80", "2025-06-16\n", "x" * 5_000, "1969-12-31"),
)


def moments() -> Iterator[Case]:
    """Whatever may be written for a day."""
    takers = {
        "run --cut": ("run", "--data", "{work}/none", "--out", "{work}/out", "--cut"),
        "ablate --cut": ("ablate", "--data", "{work}/none", "--out", "{work}/out", "--cut"),
        "simulate --end": (
            "simulate",
            "--out",
            "{work}/x/",
            "--users",
            "20",
            "--days",
            "1",
            "--end",
        ),
        "events push --at": (
            *("events", "push", "--out", "{work}/none", "--user", "u", "--item", "i"),
            *("--type", "audiobook", "--at"),
        ),
    }
    for taker, arguments in takers.items():
        for at, moment in enumerate(MOMENTS):
            yield Case(f"{taker} {at} {ascii(moment)[:30]}", (*arguments, moment))
    for moment in ("2024-01-01", "2024-12-31", "1999-12-31", "2025-01-01"):
        yield Case(
            f"run --cut on tables {moment}",
            ("run", "--data", "{tables}", "--out", "{work}/out", "--cut", moment),
        )


NUMBERS = ("", "-1", "1.5", "x", "nan", "1e3", "٣x", "9" * 400, "0x10", " ", "--", "1,000")
COUNTS: dict[str, tuple[str, ...]] = {
    "run --window-days": (
        *("run", "--data", "{tables}", "--cut", DAY, "--out", "{work}/out", "--window-days"),
    ),
    "run --seeds": (
        *("run", "--data", "{work}/none", "--cut", DAY, "--out", "{work}/out", "--seeds"),
    ),
    "ablate --window-days": (
        *("ablate", "--data", "{tables}", "--cut", DAY, "--out", "{work}/out", "--window-days"),
    ),
    "explain --most-users": ("explain", "--out", "{work}/none", "--most-users"),
    "explain --seed": ("explain", "--out", "{work}/none", "--seed"),
    "simulate --seed": ("simulate", "--out", "{work}/out", "--users", "1", "--seed"),
    "simulate --users": ("simulate", "--out", "{work}/out", "--days", "1", "--users"),
    "demo --seed": ("demo", "--out", "{work}/out", "--seed"),
    "release prune --keep": ("release", "prune", "--out", "{work}/none", "--keep"),
    "serve --port": ("serve", "--out", "{work}/none", "--port"),
    "monitor ui --port": ("monitor", "ui", "--out", "{work}/none", "--port"),
    "serve --workers": ("serve", "--out", "{work}/none", "--workers"),
    "experiment --hours": (
        *("experiment", "report", "--data", "{work}/none", "--out", "{home}", "--hours"),
    ),
    "experiment --days": (
        *("experiment", "simulate", "--data", "{work}/none", "--out", "{home}", "--days"),
    ),
    "compile --parallelism": ("pipeline", "compile", "--out", "{work}/x/", "--parallelism"),
    "graph --seed": ("graph", "report", "{work}/none", "--out", "{work}/out", "--seed"),
}


def numbers() -> Iterator[Case]:
    """Whatever may be written for a count."""
    for taker, arguments in COUNTS.items():
        for number in NUMBERS if "demo" not in taker else ("", "-1", "x", "1.5"):
            yield Case(f"{taker} {number[:10]!r}", (*arguments, number))
    for days in ("0", "1000000", "1000000000", "3650000", "99999999999999999999"):
        yield Case(f"run --window-days {days}", (*COUNTS["run --window-days"], days))
        yield Case(f"ablate --window-days {days}", (*COUNTS["ablate --window-days"], days))
    for hours in ("0", "10000000", "99999999999999999999"):
        arguments = ("experiment", "report", "--data", "{world}", "--out", "{home}", "--hours")
        yield Case(f"experiment report --hours {hours}", (*arguments, hours))
        arguments = ("experiment", "simulate", "--data", "{work}/none", "--out", "{home}", "--days")
        yield Case(f"experiment simulate --days {hours}", (*arguments, hours))
    for seed in ("-1", "99999999999999999999", "9" * 400):
        arguments = ("graph", "report", "{graph}", "--out", "{work}/out", "--seed")
        yield Case(f"graph report --seed {len(seed)}", (*arguments, seed))


SHARES = (
    *("{", "[]", "null", "1", '"a"', "{}", '{"popularity": NaN}', '{"popularity": Infinity}'),
    *('{"popularity": -1, "2T": 2}', '{"popularity": 0}', '{"popularity": "half"}'),
    *('{"popularity": 0.5, "popularity": 0.5}', '{"popularity": 1e999}', '{"popularity": null}'),
    *('{"popularity": [1]}', '{"popularity": true, "2T": false}', '{"": 1}', '{"nobody": 1}'),
    *('{"popularity": 1e-320, "2T": 1}', '{"\\ud800": 1}', "[" * 50_000, "x" * 5_000, " "),
    *('{"popularity": ' + "9" * 5_000 + "}", "{'popularity': 1}", "popularity=1"),
)


def shares() -> Iterator[Case]:
    """Whatever may be written for planned shares and for the control."""
    arguments = ("experiment", "report", "--data", "{world}", "--out", "{home}")
    for at, share in enumerate(SHARES):
        yield Case(f"experiment --shares {at}", (*arguments, "--shares", _literal(share)))
    for at, control in enumerate(("", "nobody", "\udc80", "x" * 5_000, "[red]", "\x00")):
        yield Case(f"experiment --control {at}", (*arguments, "--control", control))
    for target in ("film", "", "Podcast", "podcast,audiobook"):
        yield Case(f"experiment --target {target!r}", (*arguments, "--target", target))


def _literal(text: str) -> str:
    """Braces that the filling in of places leaves alone."""
    return text.replace("{", "{{").replace("}", "}}")


IDS = (
    *("", ".", "..", "../x", "../../etc/passwd", "/", "/etc", "*", "r*", "r?", "[r]", "LIVE", "-"),
    *("journal.jsonl", ".lock", "r0123456789abcdef", "R0123456789ABCDEF", "r" * 300, "r\x00", "\n"),
    *("~", "\udc80", "r0123456789abcdef/", "{release}/../{release}", "{release}/", "./{release}"),
    *("{release} ", "[red]x[/red]", "$HOME", "%s"),
)


def ids_and_addresses() -> Iterator[Case]:
    """Release ids that reach for something else, and addresses that nobody can listen on."""
    for command in ("show", "verify", "promote"):
        for at, release_id in enumerate(IDS):
            named = ("release", command, "--out", "{home}", "--", release_id)
            yield Case(f"release {command} {at} {ascii(release_id)[:25]}", named)
    for port in ("0", "65536", "-1", "http", "3000.5", "99999999999"):
        yield Case(
            f"serve --port {port}",
            ("serve", "--out", "{work}/home", "--port", port),
            _servable,
        )
    hosts = (
        *("", "nowhere.invalid", "300.1.1.1", "::::", "1.2.3.4", "a b", "x" * 300, "\x00", "[::1]"),
        *("http://127.0.0.1", "127.0.0.1:80", "-", "\udc80", "ｌocalhost", "."),
    )
    for at, host in enumerate(hosts):
        serve = ("serve", "--out", "{work}/home", "--host", host, "--port", "1")
        yield Case(f"serve --host {at} {ascii(host)[:20]}", serve, _servable)
    for only in ("", "nothing", "no-grph", "\udc80", "x" * 5_000):
        ablate = ("ablate", "--data", "{tables}", "--cut", DAY, "--out", "{work}/out")
        yield Case(f"ablate --only {ascii(only)[:20]}", (*ablate, "--only", only))
    for target in ("film", "", "Audiobook", "music"):
        run = ("run", "--data", "{tables}", "--cut", DAY, "--out", "{work}/out", "--target")
        yield Case(f"run --target {target!r}", (*run, target))
    for pipeline in ("film", "", "Retrain", "\udc80"):
        yield Case(f"draw {pipeline!a}", ("pipeline", "draw", pipeline))
    for word in ("push", "fetch"):
        yield Case(
            f"{word} no store", ("release", word, "--out", "{work}/out", "--store", "s3://B/x")
        )
    for command in ("", "nothing", "rn", "release", "release nothing", "events", "graph x", "--x"):
        yield Case(f"command {command!r}", tuple(command.split(" ")))


def _servable(work: Path, ground: Ground) -> None:
    _linked(ground.home, work / "home")
    (work / "home/features").mkdir(exist_ok=True)
    (work / "home/features/feature_store.yaml").write_text("project: colisten\n")


def events() -> Iterator[Case]:
    """Events that never were, into a home whose store is whole or not."""
    sound = {"--user": "u0001", "--item": "a000", "--type": "audiobook", "--signal": "stream"}
    odd = ("", " ", "\x00", "x" * 100_000, "\udc80", "\x1b[31m", "\n", "film", "﻿")
    for option in sound:
        for at, value in enumerate(odd):
            said = {**sound, option: value}
            arguments = [part for pair in said.items() for part in pair]
            yield Case(
                f"events push {option} {at}", ("events", "push", "--out", "{home}", *arguments)
            )
    late = (CUT + timedelta(days=200_000)).isoformat()
    for moment in ("1969-12-31T00:00:00Z", late, "2025-06-16T12:00:00"):
        arguments = [part for pair in sound.items() for part in pair]
        yield Case(
            f"events push --at sound {moment}",
            ("events", "push", "--out", "{home}", *arguments, "--at", moment),
        )
