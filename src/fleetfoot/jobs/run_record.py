"""`run.json`: what was run, on what, with what, and how it ended."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetfoot import __version__
from fleetfoot.core.files import read_json, write_json
from fleetfoot.core.results import to_json
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.provenance import git_state, utc_now

SCHEMA = "fleetfoot.run/1"


@dataclass(frozen=True)
class RunRecord:
    """The file ``run.json`` of a run folder; each method rewrites it whole."""

    folder: Path

    def begin(self, **facts: Any) -> None:
        """Write what is known before training: command, versions, device, ``facts``."""
        record = {
            "format": 1,
            "fleetfoot": __version__,
            "command": ["fleetfoot", *sys.argv[1:]],
            "git": git_state(),
            "device": device_profile(),
            "started": utc_now(),
            "finished": None,
            "status": "running",
            "exit_code": None,
            **facts,
        }
        write_json(self.folder / "run.json", to_json(record, schema=SCHEMA))

    def end(self, *, exit_code: int, status: str, **facts: Any) -> None:
        """Write how it ended."""
        record = read_json(self.folder / "run.json", what="run")
        ended = {"exit_code": exit_code, "status": status, "finished": utc_now(), **facts}
        write_json(self.folder / "run.json", {**record, **to_json(ended)})
