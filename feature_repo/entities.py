"""Who features are about."""

from __future__ import annotations

from colisten.features.lightfeast import Entity, ValueType

USER = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
ITEM = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
