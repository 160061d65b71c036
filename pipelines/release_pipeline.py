"""The DAG from raw tables to a served release, as Kubeflow Pipelines sees it.

The model path (`fit`) runs twice on the same code: once as of one window before the cut, whose
window then measures it for the gate, and once as of the cut, for the release. So the figures a
release carries never come from after the cut.

    check tables -> embed text -> build features
                        |
         fit as of cut - window  -> evaluate on the window before the cut -> gate
         fit as of cut           -> publish  <- gate
                                      |
                     measure on the window after the cut, recommend, report
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model

from colisten.components.build_features.component import build_features
from colisten.components.build_graph.component import build_graph
from colisten.components.build_training_rows.component import build_training_rows
from colisten.components.check_tables.component import check_tables
from colisten.components.embed_text.component import embed_text
from colisten.components.evaluate.component import evaluate
from colisten.components.gate.component import gate
from colisten.components.inspect_graph.component import inspect_graph
from colisten.components.publish.component import publish
from colisten.components.recommend.component import recommend
from colisten.components.report.component import report
from colisten.components.train_hgnn.component import train_hgnn
from colisten.components.train_towers.component import train_towers


class Released(NamedTuple):
    """What a run leaves beside the release: how it did on the window after the cut."""

    table: Dataset
    lists: Dataset


class Fitted(NamedTuple):
    """What one pass over the model path leaves."""

    graph: Dataset
    hgnn: Model
    vectors: Dataset
    towers: Model
    towers_text: Model


@dsl.pipeline(name="fit", description="Graph, HGNN, training rows and both towers as of a moment.")
def fit(
    history: Input[Dataset],
    text: Input[Dataset],
    features: Input[Dataset],
    as_of: str,
    window_days: int,
    checkpoints: str,
    build_graph_settings: str,
    inspect_graph_settings: str,
    train_hgnn_settings: str,
    build_training_rows_settings: str,
    train_towers_settings: str,
) -> Fitted:
    """One pass over the model path; reads nothing at or after `as_of`."""
    graph = build_graph(history=history, as_of=as_of, settings=build_graph_settings)
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
        history=history, features=features, as_of=as_of, settings=build_training_rows_settings
    )
    towers, towers_text = (
        train_towers(
            rows=rows.outputs["rows"],
            history=history,
            text=text,
            vectors=hgnn.outputs["vectors"],
            factors=factors.outputs["factors"],
            blocks=blocks,
            window_days=window_days,
            checkpoints=checkpoints,
            settings=train_towers_settings,
        ).set_display_name(f"train towers ({title})")
        for blocks, title in (("text,z", "2T-HGNN"), ("text", "2T, no graph"))
    )
    return Fitted(
        graph=graph.outputs["graph"],
        hgnn=hgnn.outputs["model"],
        vectors=hgnn.outputs["vectors"],
        towers=towers.outputs["towers"],
        towers_text=towers_text.outputs["towers"],
    )


@dsl.pipeline(
    name="colisten-release",
    description="Raw listening tables to a verified, promoted release with its measurements.",
)
def release_pipeline(
    data: str,
    data_digest: str,
    cut: str,
    backtest_cut: str,
    window_days: int,
    home: str,
    checkpoints: str,
    text_cache: str,
    check_tables_settings: str,
    embed_text_settings: str,
    build_features_settings: str,
    build_graph_settings: str,
    inspect_graph_settings: str,
    train_hgnn_settings: str,
    build_training_rows_settings: str,
    train_towers_settings: str,
    evaluate_settings: str,
    gate_settings: str,
    publish_settings: str,
    recommend_settings: str,
    report_settings: str,
) -> Released:
    """Everything from tables to reports.

    Every `<step>_settings` is what that step reads of the settings and the digest of its code,
    by `colisten.pipelines.parameters.step_parameters`; a step is cached by that and its inputs.

    Args:
        data: Folder of contract tables.
        data_digest: Digest of those tables, so that a cached step never outlives its input.
        cut: UTC moment (ISO 8601); nothing at or after it reaches the release.
        backtest_cut: An earlier cut, by rule one window before, where the gate is judged.
        window_days: Days after a cut that measure it.
        home: Folder that owns releases, online features, index and reports.
        checkpoints: Folder that keeps unfinished training across runs.
        text_cache: Folder that keeps text vectors across runs.
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
    backtested, fitted = (
        fit(
            history=history,
            text=text,
            features=features,
            as_of=as_of,
            window_days=window_days,
            checkpoints=checkpoints,
            build_graph_settings=build_graph_settings,
            inspect_graph_settings=inspect_graph_settings,
            train_hgnn_settings=train_hgnn_settings,
            build_training_rows_settings=build_training_rows_settings,
            train_towers_settings=train_towers_settings,
        ).set_display_name(title)
        for as_of, title in (
            (backtest_cut, "backtest as of one window before the cut"),
            (cut, "fit as of the cut"),
        )
    )
    backtest, measured = (
        evaluate(
            history=history,
            events=events,
            features=features,
            text=text,
            vectors=made.outputs["vectors"],
            towers=made.outputs["towers"],
            towers_text=made.outputs["towers_text"],
            as_of=as_of,
            window_days=window_days,
            baselines=baselines,
            settings=evaluate_settings,
        ).set_display_name(title)
        for made, events, as_of, baselines, title in (
            (backtested, history, backtest_cut, False, "evaluate on the window before the cut"),
            (fitted, holdout, cut, True, "measure on the window after the cut"),
        )
    )
    # Releases, the pointer and the online store are the world's state, not a function of the
    # inputs, so the steps that read or change them never come from a cache.
    decision = gate(table=backtest.outputs["table"], home=home, settings=gate_settings)
    decision.set_caching_options(False)
    published = publish(
        history=history,
        features=features,
        graph=fitted.outputs["graph"],
        hgnn=fitted.outputs["hgnn"],
        towers=fitted.outputs["towers"],
        table=backtest.outputs["table"],
        decision=decision.outputs["decision"],
        cut=cut,
        home=home,
        settings=publish_settings,
    )
    published.set_caching_options(False)
    recommended = recommend(
        history=history,
        features=features,
        release=published.outputs["release"],
        towers_text=fitted.outputs["towers_text"],
        backtest=backtest.outputs["table"],
        measured=measured.outputs["table"],
        cut=cut,
        window_days=window_days,
        home=home,
        settings=recommend_settings,
    )
    recommended.set_caching_options(False)
    reported = report(
        history=history,
        features=features,
        release=published.outputs["release"],
        graph=fitted.outputs["graph"],
        text=text,
        cut=cut,
        backtest_cut=backtest_cut,
        home=home,
        settings=report_settings,
    )
    reported.set_caching_options(False)
    return Released(table=measured.outputs["table"], lists=measured.outputs["lists"])
