"""Every structure that Python hands to the kernels lies in memory as the C compiler lays it out."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
from pathlib import Path

import pytest

import etapromise
from etapromise.encoding.compiled_encoder import pack_shipment
from etapromise.forecast import forest_layout
from etapromise.lanes.levels import HANDLING_LEVELS, levels_with
from etapromise.promise.compiled_quote import pack_levels, pack_question

NATIVE = Path(etapromise.__file__).parent / "native"
# The class in Python, the file that has the structure, and its name there.
STRUCTS = {
    "promise.compiled_quote.Answer": ("quote.c", "etp_answer"),
    "promise.compiled_quote._ModelStruct": ("quote.c", "etp_model"),
    "history.effects._Job": ("effects.h", "effects_job"),
    "history.effects._State": ("effects.h", "sweep_state"),
    "history.features.FeaturesStruct": ("features.h", "etp_features"),
    "lanes.levels.KeysStruct": ("keys.h", "etp_keys"),
    "forecast.boosting_state._CBoosting": ("boosting.c", "etp_boosting"),
    "forecast.forest_layout._CForest": ("forest.h", "etp_forest"),
    "forecast.distribution.DistributionStruct": ("distribution.h", "etp_distribution"),
    "encoding.compiled_encoder.EncodedStruct": ("encoder.h", "etp_encoded"),
    "encoding.compiled_encoder._EncoderStruct": ("encoder.h", "etp_encoder"),
    "encoding.compiled_encoder._HandOffsStruct": ("encoder.h", "etp_hand_offs"),
    "encoding.compiled_encoder._WordsStruct": ("encoder.h", "etp_words"),
    "tracking.texts._Texts": ("identifiers.c", "etp_texts"),
    "tracking.journeys._Job": ("milestones.c", "etp_journeys"),
    "in_transit.states._StatesStruct": ("states.c", "etp_states"),
    "in_transit.transit_parts._RemainingStruct": ("remaining.c", "etp_remaining"),
    "calendars.dispatch._DispatchStruct": ("dispatch.c", "etp_dispatch"),
    "calendars.disruptions._DisruptionStruct": ("disruptions.h", "etp_disruption"),
    "calendars.disruptions._DisruptionsStruct": ("disruptions.h", "etp_disruptions"),
    "in_transit.outlook._LooksStruct": ("looks.c", "etp_looks"),
    "promise.confidence._DateRule": ("answer.c", "etp_date_rule"),
    "promise.stages._Question": ("stages.c", "etp_stage_question"),
    "calendars.zone_tables._ZonesStruct": ("encoder.h", "etp_zones"),
}
RECORDS = {
    "_COLUMN": ("forest.h", "etp_column"),
    "_NODE": ("forest.h", "etp_node"),
    "_COLUMN_BUNDLE": ("forest.h", "etp_column_bundle"),
    "_BUNDLE": ("forest.h", "etp_bundle"),
}


@pytest.fixture(scope="module")
def compiler() -> list[str]:
    path = Path(__file__).parent.parent.parent / "build_backend" / "compiler.py"
    spec = importlib.util.spec_from_file_location("compiler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.system_compiler()
    if found is None:
        pytest.skip("no C compiler here")
    return list(found)


def assert_in_c(
    compiler: list[str], folder: Path, file: str, name: str, size: int, offsets: dict[str, int]
) -> None:
    """The compiler itself compares."""
    source = folder / "compare.c"
    lines = [
        "#include <stddef.h>",
        f'#include "{file}"',
        f'_Static_assert(sizeof({name}) == {size}, "{name}");',
    ]
    lines += [
        f'_Static_assert(offsetof({name}, {field}) == {offset}, "{name}.{field}");'
        for field, offset in offsets.items()
    ]
    source.write_text("\n".join([*lines, ""]), encoding="utf-8")
    command = [*compiler, "-std=c11", "-fsyntax-only", "-iquote", str(NATIVE), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def structures() -> dict[str, type[ctypes.Structure]]:
    """Every structure of the package."""
    root = Path(etapromise.__file__).parent
    for path in root.rglob("*.py"):
        if "ctypes.Structure" in path.read_text(encoding="utf-8"):
            place = path.relative_to(root.parent).with_suffix("")
            importlib.import_module(".".join(place.parts))
    return {
        f"{each.__module__.removeprefix('etapromise.')}.{each.__qualname__}": each
        for each in ctypes.Structure.__subclasses__()
        if each.__module__.startswith("etapromise.")
    }


def test_structures_lie_as_in_c(compiler: list[str], tmp_path: Path) -> None:
    known = structures()
    assert sorted(known) == sorted(STRUCTS), "name the C structure of each"
    for name, (file, struct) in STRUCTS.items():
        offsets = {field: getattr(known[name], field).offset for field, *_ in known[name]._fields_}
        assert_in_c(compiler, tmp_path, file, struct, ctypes.sizeof(known[name]), offsets)


def test_records_and_packed_bytes_lie_as_in_c(compiler: list[str], tmp_path: Path) -> None:
    for name, (file, struct) in RECORDS.items():
        dtype = getattr(forest_layout, name)
        assert dtype.fields is not None
        offsets = {field: place[1] for field, place in dtype.fields.items() if field != "unused"}
        assert_in_c(compiler, tmp_path, file, struct, dtype.itemsize, offsets)
    shipment, question = pack_shipment(0, 0, 0, *[0.0] * 6), pack_question(0, 0, 0, *[0.0] * 9)
    assert len(shipment + pack_levels(0.0, 0.0, 0.0)) == len(question)
    assert_in_c(compiler, tmp_path, "encoder.h", "etp_shipment", len(shipment), {"second": 0})
    assert_in_c(
        compiler, tmp_path, "quote.c", "etp_question", len(question), {"level": len(shipment)}
    )


def test_an_orders_codes_have_room_with_as_many_columns_as_are_accepted() -> None:
    """The kernels copy the codes of all levels into an array of a fixed length."""
    header = (NATIVE / "encoder.h").read_text(encoding="utf-8")
    room = int(header.partition("ETP_MAX_CODES = ")[2].partition(",")[0])
    texts = int(header.partition("ETP_MAX_TEXTS = ")[2].partition(",")[0])
    most = levels_with([f"kind {n}" for n in range(texts)], hand_offs=True)
    assert len(most) + len(HANDLING_LEVELS) <= room
