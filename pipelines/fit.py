"""The model path as Kubeflow sees it: graph, item vectors, training rows and both towers.

`retrain` trains the HGNN of each pass; `refresh` takes one that is there already.
"""

from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model

from colisten.components.build_features.component import build_features
from colisten.components.build_graph.component import build_graph
from colisten.components.build_training_rows.component import build_training_rows
from colisten.components.check_tables.component import check_tables
from colisten.components.embed_items.component import embed_items
from colisten.components.embed_text.component import embed_text
from colisten.components.evaluate.component import evaluate
from colisten.components.inspect_graph.component import inspect_graph
from colisten.components.plan_run.component import plan_run
from colisten.components.train_hgnn.component import train_hgnn
from colisten.components.train_towers.component import train_towers
from colisten.pipelines.parameters import Steps


class Fitted(NamedTuple):
    """What one pass over the model path leaves."""

    graph: Dataset
    hgnn: Model
    vectors: Dataset
    towers: Model
    towers_text: Model


class Refitted(NamedTuple):
    """What one pass leaves that trains no HGNN."""

    graph: Dataset
    vectors: Dataset
    towers: Model
    towers_text: Model


class Prepared(NamedTuple):
    """Outputs of the tasks before any training."""

    moment: Any
    backtest_cut: Any
    history: Any
    holdout: Any
    text: Any
    features: Any

    @property
    def known(self) -> dict[str, Any]:
        """What every later step may look at."""
        return {"history": self.history, "text": self.text, "features": self.features}


def prepare(
    steps: Steps, data: Any, cut: Any, window_days: Any, trained_until: Any = ""
) -> Prepared:
    """Tasks from tables to features.

    Args:
        steps: What is compiled in.
        data: Folder of contract tables.
        cut: As somebody wrote it.
        window_days: Days after it.
        trained_until: Up to when a model has seen events that the run does not train; "" none.
    """
    planned = steps(
        plan_run,
        changes_world=True,  # tables change under their name
        source=data,
        cut=cut,
        scheduled=steps.scheduled,
        window_days=window_days,
        trained_until=trained_until,
    ).outputs
    tables = steps(
        check_tables,
        source=data,
        source_digest=planned["source_digest"],
        cut=planned["moment"],
        window_days=window_days,
    ).outputs
    history = tables["history"]
    text = steps(embed_text, history=history, cache=steps.places.text_cache).outputs["vectors"]
    features = steps(build_features, history=history, text=text, cut=planned["moment"])
    return Prepared(
        planned["moment"],
        planned["backtest_cut"],
        history,
        tables["holdout"],
        text,
        features.outputs["features"],
    )


def make_fit(steps: Steps) -> Any:
    """The pipeline of one pass; reads nothing at or after `as_of`."""

    @dsl.pipeline(
        name="fit", description="Graph, HGNN, training rows and both towers as of a moment."
    )
    def fit(
        history: Input[Dataset],
        text: Input[Dataset],
        features: Input[Dataset],
        as_of: str,
        window_days: int,
    ) -> Fitted:
        graph = steps(build_graph, history=history, as_of=as_of).outputs["graph"]
        hgnn = steps(train_hgnn, graph=graph, text=text, checkpoints=steps.places.checkpoints)
        towers, towers_text = _towers(
            steps, graph, hgnn, history, text, features, as_of, window_days
        )
        return Fitted(
            graph=graph,
            hgnn=hgnn.outputs["model"],
            vectors=hgnn.outputs["vectors"],
            towers=towers.outputs["towers"],
            towers_text=towers_text.outputs["towers"],
        )

    return fit


def make_refit(steps: Steps) -> Any:
    """The pipeline of one pass with an HGNN that is there; otherwise as `make_fit`."""

    @dsl.pipeline(
        name="refit", description="Graph, vectors, training rows and both towers as of a moment."
    )
    def refit(
        history: Input[Dataset],
        text: Input[Dataset],
        features: Input[Dataset],
        hgnn: Input[Model],
        as_of: str,
        window_days: int,
    ) -> Refitted:
        graph = steps(build_graph, history=history, as_of=as_of).outputs["graph"]
        items = steps(embed_items, graph=graph, text=text, hgnn=hgnn)
        towers, towers_text = _towers(
            steps, graph, items, history, text, features, as_of, window_days
        )
        return Refitted(
            graph=graph,
            vectors=items.outputs["vectors"],
            towers=towers.outputs["towers"],
            towers_text=towers_text.outputs["towers"],
        )

    return refit


def _towers(
    steps: Steps,
    graph: Any,
    items: Any,
    history: Any,
    text: Any,
    features: Any,
    as_of: Any,
    window_days: Any,
) -> list[Any]:
    """Tasks that train the towers with and without the graph."""
    factors = steps(inspect_graph, graph=graph, text=text).outputs["factors"]
    rows = steps(build_training_rows, history=history, features=features, as_of=as_of)
    return [
        steps(
            train_towers,
            title=f"train towers ({title})",
            rows=rows.outputs["rows"],
            history=history,
            text=text,
            vectors=items.outputs["vectors"],
            factors=factors,
            blocks=blocks,
            window_days=window_days,
            checkpoints=steps.places.checkpoints,
        )
        for blocks, title in (("text,z", "2T-HGNN"), ("text", "2T, no graph"))
    ]


def measured(
    steps: Steps,
    prepared: Prepared,
    fitted: Any,
    events: Any,
    as_of: Any,
    window_days: Any,
    *,
    baselines: bool,
    title: str,
) -> Any:
    """The task that measures what one pass left, on the window from `as_of` on."""
    return steps(
        evaluate,
        title=title,
        **prepared.known,
        events=events,
        vectors=fitted.outputs["vectors"],
        towers=fitted.outputs["towers"],
        towers_text=fitted.outputs["towers_text"],
        as_of=as_of,
        window_days=window_days,
        baselines=baselines,
    )
