"""The public sets' results as Markdown: short and side by side for README, in full for the docs.

What is not measured yet is in no table. Nothing is left out for being unfavourable; chance is, for
it covers any catalogue and stands in the result files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.pairs import known_result
from benchmarks.public import METRICS, Measurement
from colisten.evaluation.table import SLICES
from colisten.ranking.rankers import CHANCE, SUBJECT

Figures = Sequence[float | None]
Result = dict[str, Any]

WITHOUT_GRAPH = "2T"
OWN = (SUBJECT, WITHOUT_GRAPH)
SHORT = ("all MRR", "all HR@10", "cold MRR")
"""What a cell of the short table holds."""
FULL = tuple(f"{part} {metric}" for part in SLICES for metric in METRICS)
GAPS = ("all HR@10", "all MRR", "warm MRR", "cold HR@10", "cold MRR")
"""What the full tables show with intervals."""
NOTHING = "–"
UNMEASURED = "Nothing is measured yet."
UNSURE, ABOVE = "≈", "↑"


def measured(every: Sequence[Measurement]) -> list[tuple[Measurement, Result]]:
    """The measurements that have a result, each with it, in order."""
    known = ((each, known_result(each.name)) for each in every)
    return [(each, result) for each, result in known if result is not None]


def short_table(every: Sequence[Measurement]) -> str:
    """Models by sets and cuts, three figures a cell; then what the differences come to."""
    found = measured(every)
    if not found:
        return UNMEASURED
    results = [result for _, result in found]
    heads = [f"{each.of.title} {each.cut.day}" for each, _ in found]
    body = [[model, *(_cell(result, model) for result in results)] for model in by_rank(results)]
    body.append([f"{SUBJECT} minus {WITHOUT_GRAPH}", *(_gap_cell(r, _to_own) for r in results)])
    body.append([f"{SUBJECT} minus the best other", *(_gap_cell(r, _to_best) for r in results)])
    body.append(["users, cold of them", *(_users(result) for result in results)])
    return _table([", ".join(name.removeprefix("all ") for name in SHORT), *heads], body)


def with_missing(every: Sequence[Measurement]) -> str:
    """The short table, and below it the sets and cuts that nobody has measured yet."""
    known = [each for each, _ in measured(every)]
    missing = [f"{each.of.title} {each.cut.day}" for each in every if each not in known]
    if not missing or not known:
        return short_table(every)
    return f"{short_table(every)}\n\nNot measured yet: {', '.join(missing)}."


def by_rank(results: Sequence[Result]) -> list[str]:
    """All models but chance, by all users' MRR as a share of the best, the mean over results."""
    shares: dict[str, list[float]] = {}
    for result in results:
        best = _best(result, "all MRR") or 1.0
        for model in _models(result):
            shares.setdefault(model, []).append((_value(result, model, "all MRR") or 0.0) / best)
    return sorted(shares, key=lambda model: -sum(shares[model]) / len(shares[model]))


def full_tables(every: Sequence[Measurement], level: str = "###") -> str:
    """Each set and cut under a heading of its own: all values, then the differences."""
    parts = [
        (
            f"{level} {each.of.title}, {each.cut.day}",
            _how(each, result),
            values_table(result),
            f"{SUBJECT} minus each, paired by user; sure differences are bold:",
            differences_table(result),
        )
        for each, result in measured(every)
    ]
    return "\n\n".join(line for part in parts for line in part) or UNMEASURED


def values_table(result: Result) -> str:
    """One result's models by all users' MRR, the best of each column in bold."""
    models = by_rank([result])
    names = [
        name for name in FULL if any(_value(result, each, name) is not None for each in models)
    ]
    body = [[model, *(_valued(result, model, name, 4) for name in names)] for model in models]
    return _table(["", *names], body)


def differences_table(result: Result) -> str:
    """The subject's lead over every other model, with intervals."""
    others = [model for model in by_rank([result]) if model != SUBJECT]
    body = [[model, *(_lead(_gap(result, model, name)) for name in GAPS)] for model in others]
    return _table(["", *GAPS], body)


def sets_table(every: Sequence[Measurement]) -> str:
    """What every set is, whether it is measured yet or not."""
    cuts: dict[str, list[str]] = {}
    for each in every:
        cuts.setdefault(each.of.name, []).append(f"{each.cut.day}, {each.cut.days:,} days")
    sets = {each.of.name: each.of for each in every}
    body = [
        [of.title, of.new, of.established, of.source, of.licence, "; ".join(cuts[name])]
        for name, of in sets.items()
    ]
    return _table(["set", "as audiobooks", "as podcasts", "source", "licence", "cuts"], body)


def hits_table(one: Measurement) -> str:
    """Share of users with a hit, of ours and of what most would try first; for the comparison."""
    result = known_result(one.name)
    if result is None:
        return UNMEASURED
    body = [
        [shown, *(_text(_value(result, model, name), 4) for name in ("all HR@10", "cold HR@10"))]
        for shown, model in ((SUBJECT, SUBJECT), ("ALS, tuned", "ALS"))
    ]
    return _table(["", "all", "cold"], body)


def _how(each: Measurement, result: Result) -> str:
    size, users = result["machine"], result["users"]
    code = f"code {result['code']}" if result.get("code") else "of what code was not recorded"
    return (
        f"First events of the new type in the {result['window_days']:,} days from the cut on; "
        f"{users['all']:,} users, {users['cold']:,} of them cold. {each.of.caution}. "
        f"Measured on {result['date']} with {size['cores']} cores and {size['memory_gib']} GiB in "
        f"{result['seconds'] / 60:.0f} minutes, all rivals and seeds {_words(result['seeds'])} "
        f"together; {code}."
    )


def _cell(result: Result, model: str) -> str:
    if model not in result["rows"]:
        return NOTHING
    return " ".join(
        _valued(result, model, name, 3) + _sureness(_gap(result, model, name)) for name in SHORT
    )


def _sureness(gap: Figures | None) -> str:
    """Nothing where the subject is surely better, as it mostly is."""
    if gap is None:
        return ""
    return UNSURE if not _is_sure(gap) else ABOVE if (gap[0] or 0.0) < 0 else ""


def _gap_cell(result: Result, against: Callable[[Result, str], str | None]) -> str:
    gaps = []
    for name in SHORT:
        other = against(result, name)
        gap = None if other is None else _gap(result, other, name)
        gaps.append(NOTHING if gap is None else _bold(_signed(gap[0], 3), _is_sure(gap)))
    return " ".join(gaps)


def _to_own(result: Result, _: str) -> str | None:
    return WITHOUT_GRAPH if WITHOUT_GRAPH in result["rows"] else None


def _to_best(result: Result, name: str) -> str | None:
    others = [model for model in _models(result) if model not in OWN]
    return max(others, key=lambda model: _value(result, model, name) or 0.0, default=None)


def _users(result: Result) -> str:
    return f"{result['users']['all']:,}, {result['users']['cold']:,}"


def _models(result: Result) -> list[str]:
    return [model for model in result["rows"] if model != CHANCE]


def _value(result: Result, model: str, name: str) -> float | None:
    figures: Figures = result["rows"][model].get(name, (None,))
    return figures[0]


def _best(result: Result, name: str) -> float:
    return max((_value(result, model, name) or 0.0 for model in _models(result)), default=0.0)


def _valued(result: Result, model: str, name: str, digits: int) -> str:
    """A value as text, in bold where no other model has a better one."""
    value = _value(result, model, name)
    is_best = value is not None and value == _best(result, name)
    return _bold(_text(value, digits), is_best)


def _gap(result: Result, against: str, name: str) -> Figures | None:
    """The subject's difference to another model; None where there is none."""
    found: Figures | None = result[f"{SUBJECT} minus"].get(f"{against}, {name}")
    return found


def _is_sure(gap: Figures) -> bool:
    _, low, high = gap
    return low is not None and high is not None and not low <= 0 <= high


def _lead(gap: Figures | None) -> str:
    if gap is None:
        return NOTHING
    value, low, high = (_signed(each, 4) for each in gap)
    return _bold(f"{value} ({low} to {high})", _is_sure(gap))


def _text(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}".removeprefix("0")


def _signed(value: float | None, digits: int) -> str:
    if value is None:
        return NOTHING
    # Adding zero takes the sign off what is rounded to none.
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if rounded else ''}.{digits}f}".replace("0.", ".", 1)


def _bold(text: str, is_bold: bool) -> str:
    return f"**{text}**" if is_bold else text


def _words(numbers: Sequence[int]) -> str:
    *first, last = (str(each) for each in numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])
