import json
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.train.metrics_log import MetricsLog


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_lines_are_written_when_flushed(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m")
    log.add(n=1)
    assert lines(tmp_path / "m") == []
    log.flush()
    log.add(n=2)
    log.flush(sync=True)
    assert lines(tmp_path / "m") == [1, 2]
    assert log.length == (tmp_path / "m").stat().st_size


def test_opening_cuts_to_the_length(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m")
    log.add(n=1)
    log.flush()
    length = log.length
    log.add(n=2)
    log.flush()
    again = MetricsLog(tmp_path / "m", length=length)
    again.add(n=3)
    again.flush()
    assert lines(tmp_path / "m") == [1, 3]


def test_a_file_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 0 bytes, the saved state counts on 5"):
        MetricsLog(tmp_path / "m", length=5)
