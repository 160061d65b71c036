"""Loading and unloading models of a Triton server in explicit mode, by tritonclient."""

from __future__ import annotations

from colisten.extras import needs

needs("tritonclient", "geventhttpclient")

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException

from colisten.errors import TowerError

_ASK_SECONDS = 2.0


class ModelControl:
    """What a server has loaded. A client lives for one call: it belongs to one thread.

    Args:
        url: http(s)://host:port.
        load_seconds: Longest wait for a model to be loaded.
    """

    def __init__(self, url: str, load_seconds: float) -> None:
        parts = urlsplit(url)
        self._address, self._ssl = parts.netloc, parts.scheme == "https"
        self._load_seconds = load_seconds

    def has(self, model: str) -> bool:
        """Whether a model is ready to be asked; raises TowerError where nobody answers."""
        with self._asked("say what it has loaded", _ASK_SECONDS) as client:
            return bool(client.is_server_live()) and bool(client.is_model_ready(model))

    def load(self, model: str) -> None:
        """Load a model from the repository; one that is loaded would be loaded anew.

        Raises:
            TowerError: It cannot be loaded, or not in time.
        """
        with self._asked(f"load {model}", self._load_seconds) as client:
            client.load_model(model)

    def unload(self, model: str) -> None:
        """Unload a model; requests that it has are answered. Raises TowerError where that fails."""
        with self._asked(f"unload {model}", _ASK_SECONDS) as client:
            client.unload_model(model)

    @contextmanager
    def _asked(self, what: str, seconds: float) -> Iterator[InferenceServerClient]:
        try:
            client = InferenceServerClient(
                self._address,
                ssl=self._ssl,
                connection_timeout=min(seconds, _ASK_SECONDS),
                network_timeout=seconds,
            )
            try:
                yield client
            finally:
                client.close()
        except (InferenceServerException, OSError, ValueError) as error:
            told = str(error) or type(error).__name__
            raise TowerError(f"Triton does not {what}: {told[:300]}") from error
