"""What is stored: one view a concern, each over one parquet file of the repository's sources.

Item vectors that a model computes are no features: they belong to the release, so that a
feature can never carry vectors of another generation. The text vectors here depend on the text
and the encoder alone, and are for offline use.
"""

from __future__ import annotations

from colisten.feature_repo.entities import ITEM, USER
from colisten.features.lightfeast import (
    Array,
    Bytes,
    FeatureView,
    Field,
    FileSource,
    Float32,
    Int64,
    PushSource,
    String,
    UnixTimestamp,
)
from colisten.features.names import (
    EVENT_IDS,
    HISTORY_LENGTH_TAG,
    ITEM_METADATA,
    ITEM_TEXT,
    MUSIC_DIM_TAG,
    SIGNALS_TAG,
    SOURCES,
    STARTS_TAG,
    TIMESTAMP,
    TYPE_TAG,
    USER_EVENT_IDS,
    USER_MUSIC,
    USER_PROFILE,
    history_columns,
    history_view,
    profile_column,
    push_source,
    seen_column,
    seen_view,
)
from colisten.json_files import to_json
from colisten.settings.data import DataSettings


def item_views() -> list[FeatureView]:
    """Metadata and text vector of items."""
    return [
        FeatureView(
            name=ITEM_METADATA,
            entities=[ITEM],
            schema=[
                Field(name="item_type", dtype=String),
                Field(name="title", dtype=String),
                Field(name="description", dtype=String),
                Field(name="language", dtype=String),
                Field(name="genres", dtype=Array(String)),
                Field(name="published_at", dtype=UnixTimestamp),
            ],
            source=_source(ITEM_METADATA),
            online=True,
        ),
        FeatureView(
            name=ITEM_TEXT,
            entities=[ITEM],
            schema=[Field(name="text_vector", dtype=Array(Float32))],
            source=_source(ITEM_TEXT),
            online=False,
        ),
    ]


def user_views(data: DataSettings, *, music_dim: int, history_length: int) -> list[FeatureView]:
    """Profile, music vector, and per item type the history with its push source."""
    kinds = {"category": String, "number": Float32}
    further = [
        Field(name=profile_column(name), dtype=kinds[kind])
        for name, kind in data.user_features.items()
    ]
    profile = FeatureView(
        name=USER_PROFILE,
        entities=[USER],
        schema=[Field(name="country", dtype=String), Field(name="age", dtype=Float32), *further],
        source=_source(USER_PROFILE),
        online=True,
    )
    music = FeatureView(
        name=USER_MUSIC,
        entities=[USER],
        schema=[Field(name="music_vector", dtype=Array(Float32))],
        source=_source(USER_MUSIC),
        online=True,
        tags={MUSIC_DIM_TAG: str(music_dim)},
    )
    tags = {HISTORY_LENGTH_TAG: str(history_length), SIGNALS_TAG: to_json(data.signal_names)}
    histories = (_history_view(item_type, tags) for item_type in data.item_types)
    return [profile, music, *histories]


def seen_views(data: DataSettings) -> list[FeatureView]:
    """What users ever started of the recommended type: for the shelf, and not for the model."""
    name = seen_view(data.target_type)
    return [
        FeatureView(
            name=name,
            entities=[USER],
            schema=[Field(name=seen_column(data.target_type), dtype=Bytes)],
            source=_source(name),
            online=True,
            tags={STARTS_TAG: to_json(data.start_signals)},
        )
    ]


def event_id_view() -> FeatureView:
    """By what ids users' latest events came; for the events to come alone."""
    return FeatureView(
        name=USER_EVENT_IDS,
        entities=[USER],
        schema=[Field(name=EVENT_IDS, dtype=Bytes)],
        source=_source(USER_EVENT_IDS),
        online=True,
    )


def _history_view(item_type: str, tags: dict[str, str]) -> FeatureView:
    name = history_view(item_type)
    kinds = (Array(String), Array(String), Array(Int64))
    columns = zip(history_columns(item_type), kinds, strict=True)
    return FeatureView(
        name=name,
        entities=[USER],
        schema=[Field(name=column, dtype=kind) for column, kind in columns],
        source=PushSource(name=push_source(item_type), batch_source=_source(name)),
        online=True,
        tags={TYPE_TAG: item_type, **tags},
    )


def _source(name: str) -> FileSource:
    # From the repository's folder on, so that it may lie anywhere.
    path = f"{SOURCES}/{name}.parquet"
    return FileSource(name=name, path=path, timestamp_field=TIMESTAMP)
