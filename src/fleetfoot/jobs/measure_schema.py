"""The JSON schema of what `fleetfoot measure --json` prints, made from the record itself.

`python -m fleetfoot.jobs.measure_schema` writes it beside this file; a test fails if they differ.
Reading older output: version 1 has no keys `date`, `accelerator`, `load_1min_after`,
`throttled_ms`, `ceilings` and `notes`; its cells have no `bytes_moved_fused`, `elementwise_ops`,
`activations`, `peak_live_bytes`, `arena_bytes`, `least_peak_bytes`, `process_bytes`, `noise`,
`cold_start_ms`, `energy_gross_mj`, `note` and `exit_code`, and their `first_call_ms` is what is
called `cold_start_ms` since version 2.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from fleetfoot.core.errors import require
from fleetfoot.core.files import write_text
from fleetfoot.core.results import FLAT
from fleetfoot.jobs.measure_record import SCHEMA, MeasureCell, MeasureRecord

FILE = Path(__file__).with_name("measure.schema.json")


def measure_schema() -> dict[str, Any]:
    """Return the schema: every key always present, no others, null where unknown.

    Raises:
        MissingError: pydantic is not installed.
    """
    pydantic = require("pydantic", extra="train")
    schema: dict[str, Any] = pydantic.TypeAdapter(MeasureRecord).json_schema()
    _flatten(schema["$defs"], MeasureCell)
    schema["properties"] = {"schema": {"const": SCHEMA}, **schema["properties"]}
    for part in (schema, *schema["$defs"].values()):
        _close(part)
    schema.pop("description", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """Return the content of the file."""
    return json.dumps(measure_schema(), indent=1) + "\n"


def _flatten(known: dict[str, Any], record: type) -> None:
    """Put the keys of flat parts where the part is, as `to_json` does."""
    whole = known[record.__name__]
    keys: dict[str, Any] = {}
    kinds = get_type_hints(record)
    for field in fields(record):
        if not field.metadata.get(FLAT):
            keys[field.name] = whole["properties"][field.name]
            continue
        part = known.pop(kinds[field.name].__name__)
        keys |= part["properties"]
        whole["description"] += f"\n\n{part['description']}"
    whole["properties"] = keys


def _close(part: dict[str, Any]) -> None:
    part["required"] = list(part["properties"])
    part["additionalProperties"] = False
    for key in part["properties"].values():
        key.pop("default", None)
        key.pop("title", None)


if __name__ == "__main__":
    write_text(FILE, schema_text())
