"""The tables of `serving_http`."""

from __future__ import annotations

from typing import Any

SOON_MS = 50.0
"""What the 99th percentile stays under at the highest pace."""
OVERLOAD = 3
"""How many times the highest pace is asked for to see what becomes of it."""


def markdown(result: dict[str, Any] | None) -> str:
    """The tables of the page."""
    if result is None:
        return "Not measured yet."
    heads = [f"{each} at once, p50 / p95 / p99 ms" for each in result["facts"]["connections"]]
    lines = [
        "| "
        + " | ".join(
            [
                "who, titles, features, search, tower",
                *heads,
                "most a second",
                "CPU ms",
                "answered",
                "personal",
                "recall",
            ]
        )
        + " |",
        "|---" * (len(heads) + 6) + "|",
    ]
    for name, row in result["rows"].items():
        cells = [name]
        for at in result["facts"]["connections"]:
            of = row["connections"][str(at)]
            cells.append(" / ".join(_number(of[each]) for each in ("p50", "p95", "p99")))
        highest_row = row["highest"]
        costs = [row["connections"][str(at)]["cpu_ms"] for at in result["facts"]["connections"]]
        cells += [
            f"{highest_row['answers_per_second']:.0f}",
            f"{min(costs):.2f} to {max(costs):.2f}",
            *(f"{_least(row, name):.3f}" for name in ("answered", "personal")),
            _number(result["recall"].get(name)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"| {name} | not measured: {why[:80]} |" for name, why in result["failed"].items()]
    return "\n".join([*lines, "", _facts(result), "", *_overloads(result), "", *_stages(result)])


def _least(row: dict[str, Any], name: str) -> float:
    """The least share over the columns; of a result of before that does not tell, by its counts."""
    found: list[float] = []
    for each in row["connections"].values():
        answered = each["statuses"].get("200", 0) / max(1, sum(each["statuses"].values()))
        told = {"answered": answered, "personal": each["personal"]}
        if "answered" not in each:
            told["personal"] = each["personal"] / answered if answered else 0.0
        found.append(told[name])
    return min(1.0, *found)


def _facts(result: dict[str, Any]) -> str:
    facts = result["facts"]
    sizes = ", ".join(f"{name} is {count:,}" for name, count in facts["titles"].items())
    told = (
        f"{sizes} titles; vectors {facts['vector_length']} long",
        f"{facts['users']:,} users with ten events or more",
        f"{facts['workers']} workers and the client on {result['machine']['cores']} cores",
        f"measured on {result['date']}, {result['load_before']} processes of others at work.",
    )
    words = (
        f"*Most a second*: answers at the highest pace whose 99th percentile is under {SOON_MS:g} "
        "ms. *CPU*: of the workers an answer, least and most over the columns. *Answered*: the "
        "least share of the requests, and *personal* the least share of the answers, over the "
        "columns; who is refused (429, 504) asks again at once."
    )
    return f"{'; '.join(told)} {words}"


def _overloads(result: dict[str, Any]) -> list[str]:
    lines = [
        f"| at {OVERLOAD} times that pace | asked a second | answered | 429 | others | p50 / p99 / "
        "most ms of the answered | deadline ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        if (over := row.get("overload")) is None:
            continue
        statuses, total = over["statuses"], sum(over["statuses"].values())
        good, busy = statuses.get("200", 0) / total, statuses.get("429", 0) / total
        late = " / ".join(_number(over["answered"][each]) for each in ("p50", "p99", "p100"))
        lines.append(
            f"| {name} | {over['requests_per_second']} | {good:.1%} | {busy:.1%} | "
            f"{max(0.0, 1 - good - busy):.1%} | {late} | {over['deadline_ms']} |"
        )
    return lines


def _stages(result: dict[str, Any]) -> list[str]:
    rows = {name: row["stages_ms"] for name, row in result["rows"].items() if row.get("stages_ms")}
    if not rows:
        return ["Stages: not told by this service."]
    names = [*dict.fromkeys(name for row in rows.values() for name in row)]
    lines = [
        "| stage, ms of one answer | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    return lines + [
        f"| {name} | " + " | ".join(_number(row.get(each)) for each in names) + " |"
        for name, row in rows.items()
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
