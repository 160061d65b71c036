"""Names that the feature repository defines and its clients ask for."""

from __future__ import annotations

from colisten.words import identifier

PROJECT = "colisten"
CONFIG_FILE = "feature_store.yaml"
REGISTRY_FILE = "registry.db"
ONLINE_FILE = "online.db"
"""SQLite's file of a repository that shares it with no other."""
SOURCES = "sources"
"""Folder of the offline sources, and their name among a repository's digests."""
DEFINITIONS_FILE = "definitions.json"
"""Among the sources: what every view is, so that their digest covers it."""
OFFLINE_STORE = "colisten.features.offline.FileOfflineStore"
TIMESTAMP = "event_timestamp"

TRAINING = "training_v1"
SERVING = "serving_v1"
ITEMS = "items_v1"

ITEM_METADATA = "item_metadata"
ITEM_TEXT = "item_text"
USER_PROFILE = "user_profile"
USER_MUSIC = "user_music"
USER_EVENT_IDS = "user_event_ids"
EVENT_IDS = "event_ids"

MUSIC_DIM_TAG = "music_dim"
HISTORY_LENGTH_TAG = "history_length"
TYPE_TAG = "item_type"
SIGNALS_TAG = "signals"
STARTS_TAG = "start_signals"

_SPACE_DIGITS = 8


def key_space(definitions: str) -> str:
    """Feast's project of repositories whose definitions have this digest.

    Rows of one project mean one thing: repositories of equal definitions share them.
    """
    return f"{PROJECT}_{definitions[:_SPACE_DIGITS]}"


def shared_online_file(definitions: str) -> str:
    """SQLite's file of a key space, beside the repositories that share it."""
    return f"online_{definitions[:_SPACE_DIGITS]}.db"


def history_view(item_type: str) -> str:
    """The view, and the source file, of one item type's user histories."""
    return f"user_{identifier(item_type)}_history"


def seen_view(item_type: str) -> str:
    """The view, and the source file, of all that users ever started of one item type."""
    return f"user_{identifier(item_type)}_seen"


def seen_column(item_type: str) -> str:
    """The hashes of what a user ever started of one item type."""
    return f"{identifier(item_type)}_seen"


def profile_column(name: str) -> str:
    """The feature that a further column of the users table becomes."""
    return f"profile_{identifier(name)}"


def push_source(item_type: str) -> str:
    """The push source of one item type's user histories."""
    return f"{history_view(item_type)}_push"


def history_columns(item_type: str) -> tuple[str, str, str]:
    """Item ids, signals and times of one item type's history."""
    name = identifier(item_type)
    return f"{name}_item_ids", f"{name}_signals", f"{name}_times"
