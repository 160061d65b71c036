"""Who made a release: an Ed25519 signature over its content, by a key that is kept elsewhere.

Digests show damage. Whoever can write where releases lie can also write a manifest to the digests
of other files, and a pointer to it; what they cannot write is a signature. It covers the whole
digest of the manifest, which binds every file, and not the shorter id.
"""

from __future__ import annotations

from colisten.extras import needs

needs("cryptography")

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from colisten.errors import ConfigError, ReleaseUnsigned
from colisten.json_files import read_mapping, write_json
from colisten.release.manifest import SIGNATURE, Manifest

_KIND = "ed25519"
_MAKE = "Make a pair by `openssl genpkey -algorithm ed25519`; see docs/release.md."


def sign_release(folder: Path, manifest: Manifest, key_file: Path) -> str:
    """Sign a release whose files were compared with its manifest; returns the key's name.

    Raises:
        ConfigError: The file holds no private Ed25519 key.
    """
    key = _read(key_file, "private", lambda content: load_pem_private_key(content, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{key_file} holds no private Ed25519 key.", _MAKE)
    signature = base64.b64encode(key.sign(_message(manifest))).decode()
    name = _name(key.public_key())
    write_json(folder / SIGNATURE, {"kind": _KIND, "key": name, "signature": signature})
    return name


def check_signature(folder: Path, manifest: Manifest, key_file: Path) -> None:
    """Refuse a release that the holder of a key did not sign.

    Args:
        folder: Where its signature lies.
        manifest: As it is in use; its files were compared with it.
        key_file: A public Ed25519 key, PEM.

    Raises:
        ReleaseUnsigned: It has no signature, one by another key, or one of other content.
        ConfigError: The file holds no public Ed25519 key.
    """
    key = _read(key_file, "public", load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{key_file} holds no public Ed25519 key.", _MAKE)
    what = f"Release {manifest.release_id}"
    advice = "`colisten release sign ID --key FILE` signs one that you made."
    try:
        content = read_mapping(folder / SIGNATURE)
        kind, signer, encoded = content["kind"], content["key"], content["signature"]
        signature = base64.b64decode(encoded, validate=True)
    except FileNotFoundError:
        raise ReleaseUnsigned(f"{what} is not signed.", advice) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseUnsigned(f"The signature of {what} cannot be read: {error}.", advice) from None
    if kind != _KIND or signer != _name(key):
        raise ReleaseUnsigned(f"{what} is signed by key {signer}, not by {_name(key)}.", advice)
    try:
        key.verify(signature, _message(manifest))
    except InvalidSignature:
        raise ReleaseUnsigned(f"The signature of {what} is not of its content.", advice) from None


def _read(file: Path, kind: str, load: Callable[[bytes], object]) -> object:
    try:
        return load(file.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Without what the library says of its content.
        reason = error.strerror if isinstance(error, OSError) else "it is none, or has a passphrase"
        raise ConfigError(f"Cannot read the {kind} key {file}: {reason}.", _MAKE) from None


def _message(manifest: Manifest) -> bytes:
    return f"colisten release\n{manifest.release_id}\n{manifest.digest}\n".encode()


def _name(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]
