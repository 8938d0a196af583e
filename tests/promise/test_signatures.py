"""Signed models: only what the owner of the key wrote is loaded where that is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import etapromise
from etapromise import PromiseModel
from etapromise.errors import CommandError, ModelFileError

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private and a public key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def test_a_signed_model_is_loaded_by_its_key_only(model: PromiseModel, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "ours")
    _, other = keys(tmp_path, "theirs")
    path = model.save(tmp_path / "model", sign_key=private)
    assert etapromise.load(path, verify=public).version == model.version
    etapromise.load(path)
    with pytest.raises(ModelFileError, match=r"signature .*theirs\.pub\.pem did not make"):
        etapromise.load(path, verify=other)


def test_who_changes_and_hashes_again_cannot_sign(model: PromiseModel, tmp_path: Path) -> None:
    from tests.fuzz.hostile_models import HostileModels, write_model  # noqa: PLC0415

    private, public = keys(tmp_path, "ours")
    path = model.save(tmp_path / "model", sign_key=private)
    hostile = HostileModels(path)
    write_model(
        tmp_path / "changed", hostile.manifest | {"surge": 0.5}, hostile.keys, hostile.arrays
    )
    shutil.copy(path / "manifest.sig", tmp_path / "changed")
    with pytest.raises(ModelFileError, match="changed after it was signed"):
        etapromise.load(tmp_path / "changed", verify=public)


def test_the_environment_can_refuse_unsigned_models(
    model: PromiseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = keys(tmp_path, "ours")
    unsigned = model.save(tmp_path / "unsigned")
    monkeypatch.setenv("ETAPROMISE_VERIFY_KEY", str(public))
    with pytest.raises(ModelFileError, match=r"no manifest\.sig beside .*unsigned.*--sign-key"):
        etapromise.load(unsigned)
    monkeypatch.setenv("ETAPROMISE_SIGN_KEY", str(private))
    etapromise.load(model.save(tmp_path / "signed"))


def test_what_is_no_key_is_said(model: PromiseModel, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(json.dumps("no key"))
    with pytest.raises(CommandError, match="no private key"):
        model.save(tmp_path / "model", sign_key=tmp_path / "key.pem")
    assert not (tmp_path / "model").exists()
    private, _ = keys(tmp_path, "ours")
    path = model.save(tmp_path / "model", sign_key=private)
    with pytest.raises(ModelFileError, match="no public key"):
        etapromise.load(path, verify=tmp_path / "key.pem")
