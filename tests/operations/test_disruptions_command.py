"""Declaring by command: a version more, current at once, and ended again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from etapromise.cli import main
from etapromise.operations.models.model_registry import ModelRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from etapromise import PromiseModel


def test_declared_and_ended(model: PromiseModel, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first = registry.add(model)
    registry.promote(first, why="first")

    def run(*words: str) -> str:
        found = CliRunner().invoke(main, ["disruptions", *words, "--models", str(tmp_path)])
        assert found.exit_code == 0, found.output
        return found.output

    told = ("--first", "2025-07-03", "--last", "2025-07-09", "--reason", "snow")
    assert "snow" in run("declare", *told, "--delay", "2", "--country", "US", "--postcode", "88*")
    run("declare", "--first", "2025-08-01", "--last", "2025-08-01", "--stop", "--carrier", "acme")
    declared = registry.load_current().parts.encoder.declared
    assert [one.stop for one in declared] == [False, True]
    assert declared[0].postcodes == ("88*",)
    run("end")
    assert registry.load_current().parts.encoder.declared == ()
    assert registry.load_current().version == model.version
    refused = CliRunner().invoke(
        main, ["disruptions", "declare", "--models", str(tmp_path), *told[:4]]
    )
    assert refused.exit_code == 2
    assert "without a delay" in refused.output
