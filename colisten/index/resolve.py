"""Which index a home is searched in: the one rule of the service and of `colisten release`."""

from __future__ import annotations

from colisten.settings.index import IndexSettings


def resolve_index(settings: IndexSettings, published: IndexSettings | None) -> IndexSettings:
    """What settings name, field by field, and elsewhere where the latest release was published.

    What counts is what somebody set, not what differs from a default: `index.ef=300` tunes the
    server that was published to and does not leave it, and `index.backend=milvus` after a
    publication for exact search means Milvus. A server that only the journal names is searched
    without the token: whoever writes there must not be who gets it.

    Args:
        settings: The `index` section, as it was loaded from files and overrides.
        published: `ReleaseStore.index_settings`; None where nothing was published.
    """
    was = {} if published is None else published.model_dump(exclude_unset=True)
    named = settings.model_dump(exclude_unset=True)
    whole = was | named
    if settings.uri is not None and whole.get("backend") == "exact":
        whole["backend"] = "milvus"  # exact search has no server
    resolved = IndexSettings.model_validate(whole)
    return resolved if settings.uri is not None else resolved.as_published()
