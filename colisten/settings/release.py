"""Settings of releases' signatures."""

from __future__ import annotations

from pydantic import Field

from colisten.settings.section import Section


class ReleaseSettings(Section):
    """By what key releases are signed, and whose are served."""

    public_key: str | None = Field(
        None,
        description="File of a public Ed25519 key (PEM): only releases signed by it are promoted "
        "and served. null: any that is whole.",
    )
    signing_key: str | None = Field(
        None,
        description="File of the private key (PEM) that `colisten run` signs what it publishes "
        "with. null: releases are unsigned until `colisten release sign`.",
    )
