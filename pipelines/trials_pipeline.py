"""Several trainings side by side and one table, as Kubeflow Pipelines sees it.

    check tables -> embed text -> build features
                        |
        for each trial: build graph -> inspect graph, train HGNN -> train towers -> rank
                        |
                     compare

Every step of a trial gets only the settings that it reads, so two trials share each step whose
settings and inputs are equal: those that differ in their towers have one graph and one HGNN, and
those that differ in their seed one graph.
"""

from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input

from colisten.components.build_features.component import build_features
from colisten.components.build_graph.component import build_graph
from colisten.components.build_training_rows.component import build_training_rows
from colisten.components.check_tables.component import check_tables
from colisten.components.compare.component import compare
from colisten.components.embed_text.component import embed_text
from colisten.components.inspect_graph.component import inspect_graph
from colisten.components.rank.component import rank
from colisten.components.train_hgnn.component import train_hgnn
from colisten.components.train_towers.component import train_towers


class Ranked(NamedTuple):
    """What one trial leaves."""

    lists: Dataset


class Compared(NamedTuple):
    """What all trials together leave."""

    table: Dataset
    page: HTML


@dsl.pipeline(name="trial", description="One training as of the cut, and its lists.")
def trial(
    history: Input[Dataset],
    holdout: Input[Dataset],
    text: Input[Dataset],
    features: Input[Dataset],
    cut: str,
    window_days: int,
    checkpoints: str,
    model: str,
    blocks: str,
    beside: str,
    build_graph_settings: str,
    inspect_graph_settings: str,
    train_hgnn_settings: str,
    build_training_rows_settings: str,
    train_towers_settings: str,
    rank_settings: str,
) -> Ranked:
    """One pass over the model path; the holdout serves to rank for its users and nothing else."""
    graph = build_graph(history=history, as_of=cut, settings=build_graph_settings)
    factors = inspect_graph(
        graph=graph.outputs["graph"], text=text, settings=inspect_graph_settings
    )
    hgnn = train_hgnn(
        graph=graph.outputs["graph"],
        text=text,
        checkpoints=checkpoints,
        settings=train_hgnn_settings,
    )
    rows = build_training_rows(
        history=history, features=features, as_of=cut, settings=build_training_rows_settings
    )
    towers = train_towers(
        rows=rows.outputs["rows"],
        history=history,
        text=text,
        vectors=hgnn.outputs["vectors"],
        factors=factors.outputs["factors"],
        blocks=blocks,
        window_days=window_days,
        checkpoints=checkpoints,
        settings=train_towers_settings,
    )
    ranked = rank(
        history=history,
        events=holdout,
        features=features,
        text=text,
        vectors=hgnn.outputs["vectors"],
        towers=towers.outputs["towers"],
        model=model,
        beside=beside,
        as_of=cut,
        window_days=window_days,
        settings=rank_settings,
    )
    return Ranked(lists=ranked.outputs["lists"])


def make_trials_pipeline(parallelism: int = 1) -> Any:
    """The DAG over any number of trials, of which at most `parallelism` run at the same time.

    One machine runs one at a time, for memory and cores; a cluster as many as it has room for.
    """

    @dsl.pipeline(
        name="colisten-trials", description="Several trainings side by side on one window."
    )
    def trials_pipeline(
        data: str,
        data_digest: str,
        cut: str,
        window_days: int,
        checkpoints: str,
        text_cache: str,
        check_tables_settings: str,
        embed_text_settings: str,
        build_features_settings: str,
        compare_settings: str,
        trials: list,  # type: ignore[type-arg]
        subject: str,
        measured: str,
    ) -> Compared:
        """Everything from tables to the table of all trials.

        Args:
            data: Folder of contract tables.
            data_digest: Digest of those tables, so that a cached step never outlives its input.
            cut: UTC moment (ISO 8601); nothing at or after it is learned from.
            window_days: Days after the cut that measure the trials.
            checkpoints: Folder that keeps unfinished training across runs.
            text_cache: Folder that keeps text vectors across runs.
            trials: A mapping each: `model` (name in the table; trials of one name are trainings
                of one model), `blocks` (`text,z`, `text` or `z`), `beside` (other rankers, with
                commas) and the settings of its steps, by `parameters.trial_item`.
            subject: The model that every other is compared with.
            measured: Folder of lists of the same window that an `evaluate` step wrote and that
                join the table; empty for none.
        """
        tables = check_tables(
            source=data,
            source_digest=data_digest,
            cut=cut,
            window_days=window_days,
            settings=check_tables_settings,
        )
        history, holdout = tables.outputs["history"], tables.outputs["holdout"]
        text = embed_text(history=history, cache=text_cache, settings=embed_text_settings).outputs[
            "vectors"
        ]
        features = build_features(
            history=history, text=text, cut=cut, settings=build_features_settings
        ).outputs["features"]
        with dsl.ParallelFor(trials, parallelism=parallelism) as each:
            ranked = trial(
                history=history,
                holdout=holdout,
                text=text,
                features=features,
                cut=cut,
                window_days=window_days,
                checkpoints=checkpoints,
                model=each.model,
                blocks=each.blocks,
                beside=each.beside,
                build_graph_settings=each.build_graph_settings,
                inspect_graph_settings=each.inspect_graph_settings,
                train_hgnn_settings=each.train_hgnn_settings,
                build_training_rows_settings=each.build_training_rows_settings,
                train_towers_settings=each.train_towers_settings,
                rank_settings=each.rank_settings,
            )
        compared = compare(
            history=history,
            events=holdout,
            features=features,
            text=text,
            lists=dsl.Collected(ranked.outputs["lists"]),
            measured=measured,
            subject=subject,
            as_of=cut,
            window_days=window_days,
            settings=compare_settings,
        )
        return Compared(table=compared.outputs["table"], page=compared.outputs["page"])

    return trials_pipeline


trials_pipeline = make_trials_pipeline()
