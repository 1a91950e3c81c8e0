"""The run's ``metrics.jsonl``: appended in blocks, cut back on resume, whole on a full disk."""

import json
import os
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError


class MetricsLog:
    """The run's ``metrics.jsonl``, written in blocks; its length is part of the saved state.

    Lines wait in memory until `flush`; on a full disk they go on waiting.
    """

    def __init__(self, path: Path, *, length: int = 0) -> None:
        """Open the log and cut it to ``length`` bytes.

        Raises:
            DataError: the file is shorter than that.
        """
        self.path = path
        self.length = length
        self._waiting: list[str] = []
        size = path.stat().st_size if path.exists() else 0
        if size < length:
            raise DataError(f"{path}: has {size} bytes, the saved state counts on {length}")
        with path.open("ab") as file:
            file.truncate(length)

    def add(self, **fields: Any) -> None:
        self._waiting.append(json.dumps(fields) + "\n")

    def flush(self, *, sync: bool = False) -> None:
        """Append the waiting lines.

        Raises:
            OSError: the disk is full; the file ends where it ended before, the lines still wait.
        """
        content = "".join(self._waiting).encode()
        with self.path.open("r+b", buffering=0) as file:
            file.seek(self.length)
            try:
                view = memoryview(content)
                while view:
                    view = view[file.write(view) :]
                if sync:
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(self.length)
                raise
        self.length += len(content)
        self._waiting.clear()
