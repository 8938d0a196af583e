"""The wheel's bill of materials: what it is and what it asks to be installed beside it.

CycloneDX 1.6 in `*.dist-info/sboms/`, where PEP 770 has it. It holds no time and no random number,
so that the same sources make the same wheel.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["bill_of_materials"]

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def bill_of_materials() -> str:
    """The bill as JSON: this package, and its dependencies with the versions that it takes."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    itself = _component(f"{project['name']}=={project['version']}", "required")
    itself |= {"licenses": [{"license": {"id": project["license"]}}]}
    asked = [_component(one, "required") for one in project["dependencies"]]
    for extra, names in sorted(project["optional-dependencies"].items()):
        asked += [_component(one, "optional", extra) for one in names]
    by_name = {one["bom-ref"]: one for one in reversed(asked)}
    found = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": [by_name[name] for name in sorted(by_name)],
        "dependencies": [
            {
                "ref": itself["bom-ref"],
                "dependsOn": sorted(
                    {one["bom-ref"] for one in asked if one["scope"] == "required"}
                ),
            }
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _component(requirement: str, scope: str, extra: str | None = None) -> dict[str, Any]:
    name, versions = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*)", requirement).groups()  # type: ignore[union-attr]
    told = [{"name": "etapromise:versions", "value": versions.strip()}]
    if extra is not None:
        told.append({"name": "etapromise:extra", "value": extra})
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name.lower()}",
        "name": name,
        "scope": scope,
        "purl": f"pkg:pypi/{name.lower()}",
        "properties": told,
    }
