"""The table of `five_days`."""

from __future__ import annotations

from typing import Any

from benchmarks.day_answers import PERSONAL


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    days = {row["release_id"]: row["day"] for row in reversed(result["days"])}
    lines = [
        "| day | what happens | run, s | steps, from cache | HR@10 | served after it | requests |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["days"]:
        steps = f"{row['steps']}, {row['cached']}" if "steps" in row else "–"
        hits = f"{row['hits']:.3f}" if row.get("hits") is not None else "–"
        lines.append(
            f"| {row['day']} | {_happened(row)} | {row['run_seconds']:.0f} | {steps} | {hits} | "
            f"day {days[row['serves']]} | {row['requests']:,} |"
        )
    fallen = sum(count for rung, count in result["rungs"].items() if rung != PERSONAL)
    slowest = max((row["last_of_the_old_seconds"] for row in result["followed"]), default=0.0)
    counts = {
        "requests": f"{result['requests']:,}",
        "failed": result["failed"],
        "by a release that was not live": result["not_live"],
        "with a title that the release lacks": result["foreign_titles"],
        "another shelf than the release has for the user": result["mixed"],
        "not compared: by the old release, from rows of the next": (
            f"{result['while_rows_were_swapped']:,}"
        ),
        "by a fallback, which the answer names": fallen,
        "seconds after a flip until nobody answers by the old release, most": slowest,
    }
    lines += ["", "| answers | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in counts.items()]
    told = (
        f"{result['workers']} workers, {result['a_second']:g} requests a second of "
        f"{result['users']} users for {result['seconds'] / 60:.0f} minutes; steps beside them on "
        f"the same {result['machine']['cores']} cores, of low priority. "
        f"Measured on {result['date']}."
    )
    return "\n".join([*lines, "", told])


def _happened(row: dict[str, Any]) -> str:
    """The day in words."""
    parts = [row["kind"]]
    for one in row.get("kills", ()):
        live = "the same" if one["same_release"] else "another"
        left = f", {len(one['left'])} half written" if one["left"] else ""
        parts.append(f"{one['when']}: exit {one['exit_code']}, {live} release live{left}")
    if row.get("kills"):
        parts.append(f"then the same command: {len(row['left']) or 'nothing'} left over")
    if row.get("refused"):
        changed = row["served_bytes_changed"]
        same = (
            f"{len(changed)} files that are served changed" if changed else "no byte served changed"
        )
        parts += [f"refused: {row['refused'][0].rstrip('.')}", same]
    return "; ".join(parts)
