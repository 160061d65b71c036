"""What the environment says to a service process: which folder, which settings.

BentoML starts the workers, so their configuration travels in environment variables; a container
sets the same ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ConfigError
from colisten.files import located
from colisten.json_files import to_json
from colisten.settings.tree import Settings
from colisten.store.address import StoreAddress, store_of
from colisten.variables import HOME, SETTINGS, STORE, WORKERS, check_variables


@dataclass(frozen=True)
class Environment:
    """Where the service reads from and how it behaves.

    Attributes:
        home: The folder that `colisten run --out` made, or that mirrors a store.
        settings: The whole tree; `index.uri` names a running index server.
        store: What it mirrors; None where it is the truth itself.
    """

    home: Path
    settings: Settings
    store: StoreAddress | None = None

    @property
    def releases(self) -> Path:
        """Where releases and the LIVE pointer lie."""
        return self.home / "releases"

    @property
    def index(self) -> Path:
        """Where Milvus Lite keeps its data."""
        return self.home / "index"

    def variables(self) -> dict[str, str]:
        """The variables that `read` reads; of the settings those that somebody set."""
        return {
            HOME: str(located(self.home)),
            SETTINGS: to_json(self.settings.model_dump(exclude_unset=True)),
            # An empty one too: a folder of its own follows no store that the shell names.
            STORE: "" if self.store is None else str(self.store),
        }

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Environment:
        """Read the process's environment.

        Raises:
            ConfigError: `COLISTEN_HOME` is not set or no folder and `COLISTEN_STORE` is not set,
                the settings are bad, or a variable is misspelt.
        """
        given = os.environ if variables is None else variables
        check_variables(given)
        home, store = given.get(HOME), store_of(None, given)
        if store is not None:
            home = str(mirror_folder(store, Path(home) if home else None))
        if not home or not Path(home).is_dir():
            raise ConfigError(
                f"{HOME} is '{home or ''}', which is no folder.",
                "Set it to the folder that `colisten run --out` made.",
            )
        text = given.get(SETTINGS)
        return cls(located(Path(home)), Settings.from_json(text) if text else Settings(), store)


def mirror_folder(store: StoreAddress, home: Path | None) -> Path:
    """The folder that mirrors a store: the one that was given, else one of this user's alone.

    Raises:
        ConfigError: boto3 is not installed, or the folder cannot be made.
        FileError: That of the user is another's.
    """
    from colisten.store.bucket import Bucket
    from colisten.store.places import SERVED, own_folder

    if home is None:
        return own_folder(Bucket(store), SERVED)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Cannot make {home}: {error}.", "Give another folder.") from error
    return home


def workers(variables: Mapping[str, str] | None = None) -> int:
    """Processes that answer, from `COLISTEN_WORKERS`; 1 where unset.

    Raises:
        ConfigError: It is no number from 1 to 9999.
    """
    text = (os.environ if variables is None else variables).get(WORKERS, "1")
    if not re.fullmatch("0*[1-9][0-9]{0,3}", text):
        raise ConfigError(f"{WORKERS} is '{text}', which is no number from 1 to 9999.")
    return int(text)
