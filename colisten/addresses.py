"""What an address says of itself."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host, by name or number, is this machine and no other."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def keeps_secrets(uri: str) -> bool:
    """Whether what is sent to an http address is read by nobody between: TLS, or no way at all."""
    try:
        parts = urlsplit(uri)
        return parts.scheme == "https" or is_loopback(parts.hostname or "")
    except ValueError:  # no address at all
        return False
