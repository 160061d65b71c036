"""Features as serving reads them beside those of the offline store, user by user."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from colisten.data.moments import microseconds
from colisten.errors import ColistenError
from colisten.features.store import OnlineFeatures, open_store, users_as_of
from colisten.features.users import UserBatch
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease

_CLOSE = 1e-4
_RECENT = timedelta(days=7)
_log = logger("monitoring.skew")


def skew_shares(served: pd.DataFrame, offline: pd.DataFrame) -> dict[str, float]:
    """By feature, share of users for whom the two differ.

    Args:
        served: One row per user, as serving had it: logged, or read where serving reads. Columns
            `user_id` and features.
        offline: The same users at the same moment, as training would see them. Columns that only
            one of the two has are not compared, nor are users.

    Returns:
        Nothing where no user is in both.
    """
    both = served.merge(offline, on="user_id", suffixes=("_served", "_offline"))
    if both.empty:
        return {}
    shares = {}
    for name in sorted((set(served.columns) & set(offline.columns)) - {"user_id"}):
        one, other = both[f"{name}_served"], both[f"{name}_offline"]
        if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
            mine, theirs = one.to_numpy(dtype=float), other.to_numpy(dtype=float)
            same = np.isclose(mine, theirs, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
        else:
            same = ((one == other) | (one.isna() & other.isna())).to_numpy(dtype=bool)
        shares[name] = float(1 - same.mean())
    return shares


def online_skew(
    folder: Path, release: LoadedRelease, user_ids: list[str], through: datetime
) -> dict[str, float]:
    """`skew_shares` of a release's online store and the sources that it was filled from.

    Args:
        folder: The release's feature repository.
        release: Whose users these are.
        user_ids: A sample.
        through: The newest moment of the sources; what was pushed later is not compared.

    Returns:
        Nothing where the online store or the sources cannot be read, which the log says.
    """
    end = through + timedelta(microseconds=1)
    try:
        online = OnlineFeatures(folder, release.index_of, release.spec.fields).read(user_ids)
        store = open_store(folder)
        offline = users_as_of(store, user_ids, end, release.index_of, release.spec)
    except ColistenError as error:
        _log.warning("serving features not compared", reason=str(error)[:300])
        return {}
    return skew_shares(feature_frame(online, end), feature_frame(offline, end))


def feature_frame(users: UserBatch, end: datetime) -> pd.DataFrame:
    """Who users are and what they did in the week before `end`, one row per user."""
    columns: dict[str, object] = {
        "user_id": users.user_ids,
        "country": users.countries,
        "age": users.ages.astype(float),
        **users.further,
    }
    last, first = microseconds(end), microseconds(end - _RECENT)
    for item_type, history in users.histories.items():
        recent = history.where((history.times >= first) & (history.times < last))
        columns[f"{item_type}_recent_events"] = recent.counts.astype(float)
    return pd.DataFrame(columns)
