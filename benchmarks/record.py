"""How a benchmark result is written: with the machine, the versions and the code measured.

Format   /2 has the keys of `Provenance` (code_sha256, load before and after); /1, which older
         files have, kept the three load averages at the end inside `machine`
"""

import json
import os
from pathlib import Path
from typing import Any

from fleetfoot.core.results import to_json
from fleetfoot.measure.provenance import Provenance, provenance

SCHEMA = "fleetfoot.benchmark/2"
RESULTS = Path(__file__).parent / "results"


def write_result(
    name: str,
    what: str,
    figures: dict[str, Any],
    *,
    started: Provenance | None = None,
    folder: Path = RESULTS,
) -> None:
    """Write ``NAME.json`` into ``folder``; local folders are cut from paths in ``figures``.

    Args:
        name: of the result.
        what: one sentence on what was measured.
        figures: of any shape that JSON has.
        started: read before measuring, so that its load is the one before; now if not given.
        folder: the committed results, if not another.
    """
    result = {
        "name": name,
        "what": " ".join(what.split()),
        **to_json(started or provenance()),
        "load_1min_after": os.getloadavg()[0],
        "figures": _without_folders(to_json(figures)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_json(result, schema=SCHEMA), indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    return value
