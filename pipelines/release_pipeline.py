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

from components.build_features.component import build_features
from components.build_graph.component import build_graph
from components.build_training_rows.component import build_training_rows
from components.check_tables.component import check_tables
from components.embed_text.component import embed_text
from components.evaluate.component import evaluate
from components.gate.component import gate
from components.publish.component import publish
from components.recommend.component import recommend
from components.report.component import report
from components.split_settings.component import split_settings
from components.train_hgnn.component import train_hgnn
from components.train_towers.component import train_towers


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
    checkpoints: str,
    graph_settings: str,
    hgnn_settings: str,
    rows_settings: str,
    towers_settings: str,
) -> Fitted:
    """One pass over the model path; reads nothing at or after `as_of`."""
    graph = build_graph(history=history, as_of=as_of, settings=graph_settings)
    hgnn = train_hgnn(
        graph=graph.outputs["graph"],
        text=text,
        checkpoints=checkpoints,
        settings=hgnn_settings,
    )
    rows = build_training_rows(
        history=history, features=features, as_of=as_of, settings=rows_settings
    )
    towers = train_towers(
        rows=rows.outputs["rows"],
        history=history,
        text=text,
        vectors=hgnn.outputs["vectors"],
        blocks="text,z",
        checkpoints=checkpoints,
        settings=towers_settings,
    ).set_display_name("train towers (2T-HGNN)")
    towers_text = train_towers(
        rows=rows.outputs["rows"],
        history=history,
        text=text,
        vectors=hgnn.outputs["vectors"],
        blocks="text",
        checkpoints=checkpoints,
        settings=towers_settings,
    ).set_display_name("train towers (2T, no graph)")
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
    rehearsal_cut: str,
    window_days: int,
    home: str,
    checkpoints: str,
    settings: str,
    code: str,
) -> Released:
    """Everything from tables to reports.

    Args:
        data: Folder of contract tables.
        data_digest: Digest of those tables, so that a cached step never outlives its input.
        cut: UTC moment (ISO 8601); nothing at or after it reaches the release.
        rehearsal_cut: An earlier cut, by rule one window before, where the gate is judged.
        window_days: Days after a cut that measure it.
        home: Folder that owns releases, online features, index and reports.
        checkpoints: Folder that keeps unfinished training across runs.
        settings: `Settings.to_json()`.
        code: Digest of the installed colisten sources: new code, new cache.
    """
    # A step that learns is told what it reads and no more: other towers, the same HGNN.
    told = split_settings(settings=settings, code=code)
    tables = check_tables(
        data=data,
        data_digest=data_digest,
        cut=cut,
        window_days=window_days,
        settings=told.outputs["tables"],
        code=code,
    )
    history, holdout = tables.outputs["history"], tables.outputs["holdout"]
    text = embed_text(history=history, home=home, settings=told.outputs["text"]).outputs["vectors"]
    features = build_features(
        history=history, text=text, cut=cut, settings=told.outputs["features"]
    ).outputs["features"]
    rehearsed = fit(
        history=history,
        text=text,
        features=features,
        as_of=rehearsal_cut,
        checkpoints=checkpoints,
        graph_settings=told.outputs["graph"],
        hgnn_settings=told.outputs["hgnn"],
        rows_settings=told.outputs["rows"],
        towers_settings=told.outputs["towers"],
    ).set_display_name("rehearse as of one window before the cut")
    rehearsal = evaluate(
        history=history,
        events=history,
        features=features,
        text=text,
        vectors=rehearsed.outputs["vectors"],
        towers=rehearsed.outputs["towers"],
        towers_text=rehearsed.outputs["towers_text"],
        as_of=rehearsal_cut,
        window_days=window_days,
        baselines=False,
        settings=settings,
    ).set_display_name("evaluate on the window before the cut")
    fitted = fit(
        history=history,
        text=text,
        features=features,
        as_of=cut,
        checkpoints=checkpoints,
        graph_settings=told.outputs["graph"],
        hgnn_settings=told.outputs["hgnn"],
        rows_settings=told.outputs["rows"],
        towers_settings=told.outputs["towers"],
    ).set_display_name("fit as of the cut")
    # Releases, the pointer and the online store are the world's state, not a function of the
    # inputs, so the steps that read or change them never come from a cache.
    decision = gate(table=rehearsal.outputs["table"], home=home, settings=settings)
    decision.set_caching_options(False)
    published = publish(
        history=history,
        features=features,
        text=text,
        graph=fitted.outputs["graph"],
        hgnn=fitted.outputs["hgnn"],
        towers=fitted.outputs["towers"],
        table=rehearsal.outputs["table"],
        decision=decision.outputs["decision"],
        cut=cut,
        home=home,
        settings=settings,
    )
    published.set_caching_options(False)
    measured = evaluate(
        history=history,
        events=holdout,
        features=features,
        text=text,
        vectors=fitted.outputs["vectors"],
        towers=fitted.outputs["towers"],
        towers_text=fitted.outputs["towers_text"],
        as_of=cut,
        window_days=window_days,
        baselines=True,
        settings=settings,
    ).set_display_name("measure on the window after the cut")
    recommended = recommend(
        history=history,
        features=features,
        release=published.outputs["release"],
        towers_text=fitted.outputs["towers_text"],
        rehearsal=rehearsal.outputs["table"],
        measured=measured.outputs["table"],
        cut=cut,
        window_days=window_days,
        home=home,
        settings=settings,
    )
    recommended.set_caching_options(False)
    reported = report(
        history=history,
        features=features,
        release=published.outputs["release"],
        graph=fitted.outputs["graph"],
        text=text,
        cut=cut,
        rehearsal_cut=rehearsal_cut,
        home=home,
        settings=settings,
    )
    reported.set_caching_options(False)
    return Released(table=measured.outputs["table"], lists=measured.outputs["lists"])
