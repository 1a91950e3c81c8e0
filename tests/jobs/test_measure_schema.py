"""The schema in the package is that of the record; what is not valid is told."""

import json

import jsonschema
import pytest

from fleetfoot import cli
from fleetfoot.core.results import to_json
from fleetfoot.jobs.measure_record import SCHEMA, MeasureCell, MeasureRecord, Setup
from fleetfoot.jobs.measure_schema import FILE, schema_text
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.roofline import Ceilings

CELL = MeasureCell(
    net="n",
    setup=Setup(
        form="eager",
        engine="eager",
        precision="float32",
        layout="nchw",
        threads=1,
        batch=1,
        size=8,
    ),
)
RECORD = MeasureRecord(
    date="2026-01-01T00:00:00Z",
    device=device_profile(),
    load_1min_after=None,
    throttled_ms=None,
    ceilings=(Ceilings(threads=1, gflops={"float32": 1.0}, gb_per_s={"memory": 2.0}),),
    notes=("a remark",),
    cells=(CELL,),
)


def test_the_file_is_made_from_the_record():
    pytest.importorskip("pydantic")
    assert FILE.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m fleetfoot.jobs.measure_schema`"
    )


def test_a_record_is_valid_and_a_key_less_or_more_is_not():
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    answer = to_json(RECORD, schema=SCHEMA)
    jsonschema.validate(answer, schema)
    assert f"fleetfoot.measure/{cli.SCHEMA_VERSIONS['measure']}" == SCHEMA
    less = {key: value for key, value in answer.items() if key != "notes"}
    for wrong in (less, answer | {"extra": 1}, answer | {"schema": "fleetfoot.measure/1"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_the_exit_code_is_that_of_the_first_row_without_times():
    assert RECORD.exit_code == 0
    cells = [CELL] + [MeasureCell(**{**vars(CELL), "exit_code": code}) for code in (6, 2)]
    assert MeasureRecord(**{**vars(RECORD), "cells": tuple(cells)}).exit_code == 6
