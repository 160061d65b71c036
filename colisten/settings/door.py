"""Settings of who may ask the service: by which name, with which token, how many events."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from colisten.settings.section import Positive, Section


def _lower(name: object) -> object:
    return name.lower() if isinstance(name, str) else name


HostName = Annotated[
    str,
    BeforeValidator(_lower),
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"),
]


class DoorSettings(Section):
    """Who is let in; a part of `ServingSettings`."""

    hosts: tuple[HostName, ...] | None = Field(
        None,
        description="Names that a request's Host may have besides localhost and addresses; another "
        "is 421. null: none of a request that comes over the loopback, any of others.",
    )
    token_file: str | None = Field(
        None,
        description="File that holds the bearer token which requests must show, but for /livez and "
        "/readyz. null: COLISTEN_TOKEN, and where that is not set none is asked for.",
    )
    operator_port: Positive | None = Field(
        None,
        le=65_535,
        description="Port of its own for /metrics, /v1/release and /v1/user_vector, which the "
        "service's port then does not answer. null: they are answered there.",
    )
    operator_host: str = Field(
        "127.0.0.1", description="IP address on which that port is listened on."
    )
    events_a_second: Positive = Field(
        50,
        description="Events that a worker takes a second, counted over two of them; more is 429, "
        "so that whoever asks for a shelf does not wait for those who write.",
    )
