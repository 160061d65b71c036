"""Which features a model version reads. A change of meaning is a new version, beside the old."""

from __future__ import annotations

from collections.abc import Sequence

from colisten.features.lightfeast import FeatureService, FeatureView
from colisten.features.names import ITEMS, SERVING, TRAINING


def feature_services(
    users: Sequence[FeatureView], seen: Sequence[FeatureView], items: Sequence[FeatureView]
) -> list[FeatureService]:
    """Training and serving read the same user views; items online have a service of their own.

    Serving alone reads what users ever started: no model does.
    """
    return [
        FeatureService(name=TRAINING, features=list(users)),
        FeatureService(name=SERVING, features=[*users, *seen]),
        FeatureService(name=ITEMS, features=[view for view in items if view.online]),
    ]
