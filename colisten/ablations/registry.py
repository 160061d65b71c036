"""What the model can do without, and what that costs: one row an ingredient.

Rows with a letter are those of the paper's ablation (arXiv 2403.05185, section 4.3), in its order;
the rest takes one ingredient of the default preset away at a time. Everything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from colisten.json_files import to_json
from colisten.settings.data import DataSettings
from colisten.words import known_word

FULL = "2T-HGNN"
_WEAK = "no-weak-signals"


@dataclass(frozen=True)
class Ablation:
    """One row of the table.

    Attributes:
        name: What is asked for on the command line and stands in the table.
        removes: What this model lacks, for people.
        overrides: Settings that take it away, as `section.name=value`.
        row: Letter of the paper's row; None where the paper has none.
        blocks: What the towers see of an item: `text,z`, `text` or `z`.
    """

    name: str
    removes: str
    overrides: tuple[str, ...] = ()
    row: str | None = None
    blocks: str = "text,z"

    @property
    def is_full(self) -> bool:
        """Whether this is the model that the others are compared with."""
        return self.name == FULL


def _starts_only(data: DataSettings) -> tuple[str, ...]:
    """Settings under which signals that are no start say nothing."""
    weights = {
        name: weight if name in data.start_signals else 0.0 for name, weight in data.signals.items()
    }
    return f"graph.signals={to_json(data.start_signals)}", f"data.signals={to_json(weights)}"


ABLATIONS: tuple[Ablation, ...] = (
    Ablation(FULL, "nothing", row="A"),
    Ablation("no-balance", "balanced multi-link sampling", ("hgnn.balance=none",), "B"),
    Ablation(
        _WEAK,
        "signals that are no start, in the graph and in history means",
        _starts_only(DataSettings()),
        "C",
    ),
    Ablation(
        "no-auxiliary-edges",
        "edges between two items of context types",
        ("graph.relations=[target-target, target-context]",),
        "D",
    ),
    Ablation(
        "no-target-edges",
        "edges between two items of the target type",
        ("graph.relations=[target-context, context-context]",),
        "E",
    ),
    Ablation(
        "only-target-edges",
        "all edges but those between two items of the target type (homogeneous graph)",
        ("graph.relations=[target-target]",),
        "F",
    ),
    Ablation(
        "only-auxiliary-edges",
        "all edges but those between two items of context types",
        ("graph.relations=[context-context]",),
        "G",
    ),
    Ablation("no-graph", "the graph: two towers on text alone (2T)", blocks="text"),
    Ablation("no-text", "text beside z in the towers", blocks="z"),
    Ablation(
        "no-cross-fitting",
        "cross-fitting: training sees vectors that its own answers shaped",
        ("towers.cross_fit=false",),
    ),
    Ablation("no-popularity-prior", "the popularity prior", ("towers.popularity_half_lives=[]",)),
    Ablation("no-leave-one-out", "leave-one-out examples", ("towers.leave_one_out=0",)),
    Ablation(
        "no-cold-start-dropout", "examples asked as a cold user", ("towers.cold_start_dropout=0",)
    ),
    Ablation(
        "no-knn-term",
        "the kNN term of text, z and co-listening factors as they came",
        ("towers.knn_term=false",),
    ),
    Ablation("no-factors", "co-listening factors in the kNN term", ("graph.factors=0",)),
    Ablation("no-transfer-term", "the transfer term", ("towers.transfer=0",)),
    Ablation("no-floor", "taste that gives way to popularity", ("towers.floor=false",)),
    Ablation("one-member", "members that do not see the graph", ("towers.members=1",)),
    Ablation(
        "no-linear-skip", "the linear map beside the dense layers", ("towers.linear_skip=false",)
    ),
    Ablation(
        "no-decay",
        "decay by age in history means",
        ("features.half_life_days=1000000",),
    ),
    Ablation(
        "no-weighted-mean",
        "the mean by strength over neighbours; their maximum in its place",
        ("hgnn.aggregation=max",),
    ),
    Ablation("no-log-q", "logQ correction in the HGNN", ("hgnn.log_q=0",)),
    Ablation(
        "no-weighted-neighbours",
        "neighbours drawn by strength",
        ("hgnn.weighted_neighbours=false",),
    ),
    Ablation(
        "no-weighted-edges",
        "supervised edges drawn by strength",
        ("hgnn.weighted_edges=false",),
    ),
    Ablation("no-residual", "the text's direct way into z", ("hgnn.residual=false",)),
    Ablation("paper", "all that goes beyond the paper's recipe (preset=paper)", ("preset=paper",)),
)


def select(names: Sequence[str], data: DataSettings) -> tuple[Ablation, ...]:
    """The full model and the ablations of these names, in the order of the table; all for none.

    Args:
        names: What is asked for.
        data: Types and signals; without context types there are no edges to choose among.

    Raises:
        ConfigError: A name is unknown; the message tells the nearest known one.
    """
    for name in names:
        known_word("Ablation", name, [each.name for each in ABLATIONS])
    rows = [each for each in ABLATIONS if not names or each.name in names or each.is_full]
    return tuple(
        replace(each, overrides=_starts_only(data)) if each.name == _WEAK else each
        for each in rows
        if data.context_types or not any("graph.relations" in one for one in each.overrides)
    )
