"""Building the feature repository, and filling the online store from it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.moments import days_from, utc
from colisten.errors import FeatureError
from colisten.feature_repo.carry_across import carry_across, other_space
from colisten.feature_repo.carry_over import carry_over, writers_waiting
from colisten.feature_repo.definitions import write_definitions
from colisten.feature_repo.entities import ITEM, USER
from colisten.feature_repo.services import feature_services
from colisten.feature_repo.sources import MOMENT, write_sources
from colisten.feature_repo.stores import store_config, write_config
from colisten.feature_repo.views import event_id_view, item_views, seen_views, user_views
from colisten.features.lightfeast import FeatureStore, FeatureView, RepoConfig
from colisten.features.names import ONLINE_FILE, REGISTRY_FILE, TIMESTAMP, TYPE_TAG
from colisten.features.repository import (
    RepositoryFiles,
    definitions_digest,
    online_file,
    source_file,
)
from colisten.features.store import open_files
from colisten.files import located, write_aside
from colisten.logs import logger
from colisten.progress import track
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import FeatureSettings

log = logger("feature_repo")

_WRITE_ROWS = 5000
_USER = "user_id"
_TEXT = pa.string()


def build_feature_repo(
    history: Path,
    out: Path,
    *,
    as_of: datetime,
    data: DataSettings = DataSettings(),
    features: FeatureSettings = FeatureSettings(),
    engine: Engine = Engine(),
    text_vectors: np.ndarray | None = None,
) -> Path:
    """Write sources and feature_store.yaml to `out` and register every definition.

    Sources are replaced whole and their bytes depend on the tables, the moment and the settings
    alone. The registry names them from the folder on, so that it can be copied and moved.

    Args:
        history: Folder of checked tables; users.parquet and music.parquet may be missing.
        out: Folder of the repository.
        as_of: Moment with a zone; nothing at or after it is stored.
        data: Item types, signals and declared columns of the tables.
        features: How much of a history is stored, and the online store.
        engine: Bounds of DuckDB.
        text_vectors: float32 [num_items, dim] in catalogue order, or None.

    Returns:
        `out`, resolved: what `colisten.features.store.open_store` opens.

    Raises:
        FeatureError: A table is missing or does not fit, or Feast refuses the definitions.
    """
    out = located(out)
    out.mkdir(parents=True, exist_ok=True)
    sources = out / "sources"
    music_dim = write_sources(
        history,
        sources,
        as_of=as_of,
        data=data,
        features=features,
        engine=engine,
        text_vectors=text_vectors,
    )
    users = user_views(data, music_dim=music_dim, history_length=features.history_length)
    seen, items = seen_views(data), item_views()
    views, services = [*users, *seen, *items, event_id_view()], feature_services(users, seen, items)
    write_definitions(sources, views, services)
    definitions = definitions_digest(out)
    with write_aside(out / REGISTRY_FILE) as registry:
        empty = registry.with_name(f"{registry.name}.online")
        config = store_config(features, definitions, registry=str(registry), online=str(empty))
        try:
            store = FeatureStore(config=RepoConfig(**config, repo_path=out))
            store.apply([USER, ITEM, *views, *services])
            # What is being served stays until `materialize` has the new content whole.
            if empty.exists() and not (out / ONLINE_FILE).exists():
                os.replace(empty, out / ONLINE_FILE)
        except Exception as error:
            raise FeatureError(f"Feast cannot apply the repository at {out}: {error}.") from error
        finally:
            empty.unlink(missing_ok=True)
    write_config(out, features, definitions)
    log.info("feature repository built", folder=str(out), music_dim=music_dim)
    return out


def materialize(
    repository: Path | RepositoryFiles,
    *,
    as_of: datetime,
    keep_days: int | None = None,
    before: RepositoryFiles | None = None,
) -> None:
    """Fill the online store with every entity's newest values strictly before `as_of`.

    What `FeatureStore.materialize` does, for sources sorted by entity and time: it ranks all
    rows of a view at once, lists included, while here each block of users is read once, and
    only newest rows are ever held. Rows that events of `as_of` or later have changed stay as they
    are. SQLite's file is replaced whole; a process that reads from the old one must open the store
    anew.

    Args:
        repository: Its folder, or its files where its configuration is not yet the one there.
        as_of: Moment with a zone.
        keep_days: Users without an event for so many days before it are left out, whatever else
            is known of them; None keeps all.
        before: Repository of what was live, whose key space may hold later events; see
            `carry_across`.

    Raises:
        FeatureError: There is no such repository, or the online store refuses.
    """
    if as_of.tzinfo is None:
        raise FeatureError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    files = RepositoryFiles.read(repository) if isinstance(repository, Path) else repository
    store = open_files(files)
    file, other = online_file(store), other_space(before, store)
    if file is None:
        _fill(store, as_of, keep_days)
        if other is not None:
            carry_across(other, store, as_of)
    else:
        with ExitStack() as stack, write_aside(file) as aside:
            store.config.online_store.path = str(aside)
            _fill(store, as_of, keep_days)
            try:
                stack.enter_context(writers_waiting(file))
                kept = carry_over(file, aside, as_of)
            except sqlite3.DatabaseError as error:
                # What is replaced may be damaged; whoever rebuilds it wants to be rid of that.
                log.warning("nothing kept of the old online store", error=str(error))
            else:
                log.info("kept of the old online store", cells=kept)
            if other is not None:
                carry_across(other, store, as_of)
    log.info("online store filled", folder=str(files.folder), as_of=as_of.isoformat())


def _fill(store: FeatureStore, as_of: datetime, keep_days: int | None) -> None:
    views = [view for view in store.list_feature_views() if view.online]
    kept = None if keep_days is None else _active(store, views, as_of, keep_days)
    try:
        store.provider.update_infra(store.project, [], views, [], store.list_entities(), False)
        for view in track(views, "online store"):
            users = kept if view.join_keys[0] == _USER else None
            for rows in _newest(source_file(store, view), view.join_keys[0], as_of, users):
                store.write_to_online_store(view.name, df=rows.to_pandas())
    except Exception as error:
        raise FeatureError(f"Cannot fill the online store: {error}.") from error


def _active(
    store: FeatureStore, views: Sequence[FeatureView], as_of: datetime, days: int
) -> pa.Array:
    """Users with an event in the last days before `as_of`."""
    moment = pc.field(TIMESTAMP)
    since = moment >= pa.scalar(days_from(as_of, -days), MOMENT)
    lately = since & (moment < pa.scalar(utc(as_of), MOMENT))
    users = [
        parquet.read(source_file(store, view), columns=[_USER], filters=lately).column(_USER)
        for view in views
        if TYPE_TAG in view.tags
    ]
    return pc.unique(pa.chunked_array([part for each in users for part in each.chunks], _TEXT))


def _newest(source: Path, key: str, as_of: datetime, users: pa.Array | None) -> Iterator[pa.Table]:
    """The newest row before `as_of` of each entity of a sorted file, in portions.

    An entity whose rows straddle two row groups comes twice, the newer row later. Of `users`
    alone, where that is given.
    """
    before = pa.scalar(utc(as_of), MOMENT)
    with parquet.opened(source) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            rows = rows.filter(pc.less(rows.column(TIMESTAMP), before))
            if users is not None:
                rows = rows.filter(pc.is_in(rows.column(key), value_set=users))
            if not len(rows):
                continue
            entities = rows.column(key).combine_chunks()
            last = pc.not_equal(entities[:-1], entities[1:]).to_numpy(zero_copy_only=False)
            newest = rows.take(pa.array(np.flatnonzero(np.append(last, True))))
            for start in range(0, len(newest), _WRITE_ROWS):
                yield newest.slice(start, _WRITE_ROWS)
