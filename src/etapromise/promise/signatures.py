"""Signatures of models: Ed25519 over the manifest, which has the SHA-256 of every other file.

A signature says who wrote a model; digests alone only say that nothing was damaged. Keys are PEM
files, as `openssl genpkey -algorithm ed25519` makes them; nothing is asked over a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NoReturn

from etapromise.errors import CommandError, ModelFileError
from etapromise.files import settings_text

SIGNATURE: Final = "manifest.sig"
"""The file of a model directory that has the signature of its manifest."""
SIGN_KEY: Final = "ETAPROMISE_SIGN_KEY"
"""The environment's private key, with which every model that is saved is signed."""
VERIFY_KEY: Final = "ETAPROMISE_VERIFY_KEY"
"""The environment's public key; where it is set, no model is loaded that it did not sign."""


def signature_of(content: bytes, key: str | Path) -> bytes:
    """The signature of a manifest."""
    kinds, serialization = _cryptography()
    try:
        private = serialization.load_pem_private_key(settings_text(key).encode(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"Found no private key in {key} ({error}); expected a PEM file without a password, as "
            "`openssl genpkey -algorithm ed25519` makes it."
        ) from error
    if not isinstance(private, kinds.Ed25519PrivateKey):
        raise CommandError(f"Found {key} to be no Ed25519 key; expected one to sign models with.")
    return bytes(private.sign(content))


def require_signature(content: bytes, signature: bytes, key: str | Path, place: str) -> None:
    """Refuse a manifest that the owner of a key has not signed."""
    kinds, serialization = _cryptography()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 — an extra

    try:
        public = serialization.load_pem_public_key(settings_text(key).encode())
    except (OSError, ValueError) as error:
        _refuse(f"no public key in {key} ({error})", "a PEM file of an Ed25519 public key")
    if not isinstance(public, kinds.Ed25519PublicKey):
        _refuse(f"{key} to be no Ed25519 key", "the public key of who signs models")
    try:
        public.verify(signature, content)
    except InvalidSignature:
        _refuse(
            f"a signature of {place} that {key} did not make",
            "one of that key's. The model was changed after it was signed, or signed by another",
        )


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 — an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 — an extra
    except ImportError as error:
        raise ModelFileError(
            "Found no package cryptography; expected it, since a key is given to sign or verify "
            "models with. Install it: pip install 'etapromise[signing]'."
        ) from error
    return ed25519, serialization


def _refuse(found: str, expected: str) -> NoReturn:
    raise ModelFileError(f"Found {found}; expected {expected}.")
