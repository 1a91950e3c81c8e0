"""The folder of a queue: what it keeps, what is damaged, how long it will take."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch")

from fleetfoot.claims.queue import Entry, Order, Queue, minutes_left
from fleetfoot.core.errors import DataError, UsageError


def order(tmp_path: Path, *ids: str, scale: str = "smoke") -> Order:
    return Order(scale=scale, out=tmp_path / "out", data=None, ids=ids)  # pyright: ignore


def test_an_order_is_kept_and_grows(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue")
    with pytest.raises(DataError, match="holds no queue"):
        queue.order()
    queue.take(order(tmp_path, "toy/two"))
    taken = queue.take(dataclasses.replace(order(tmp_path, "toy/one"), data=tmp_path / "data"))
    assert taken.ids == ("toy/one", "toy/two")
    assert queue.order() == taken
    with pytest.raises(UsageError, match="is of the smoke scale"):
        queue.take(order(tmp_path, "toy/one", scale="long"))


def test_entries_go_to_files_and_back(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.take(order(tmp_path, "toy/one"))
    assert queue.entry("toy/one") == Entry()
    entry = Entry(state="failed", worked_minutes=2.5, trainings=3, error="why", exit_code=3)
    queue.write("toy/one", entry)
    assert queue.entry("toy/one") == entry


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "done"}'])
def test_a_damaged_entry_counts_as_not_begun(content: str, tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    taken = queue.take(order(tmp_path, "toy/one", "toy/two"))
    queue.write("toy/two", Entry(state="failed"))
    (tmp_path / "claims" / "toy.one.json").write_text(content)
    entries, problems = queue.entries(taken)
    assert (entries["toy/one"], entries["toy/two"].state) == (Entry(), "failed")
    assert len(problems) == 1
    assert "toy.one.json" in problems[0]


def test_a_damaged_order_is_replaced_by_naming_the_claims_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.take(order(tmp_path, "toy/one"))
    (tmp_path / "queue.json").write_text('{"schema": "fleetfoot.queue/1"}')
    with pytest.raises(DataError, match="name its claims again"):
        queue.order()
    assert queue.take(order(tmp_path, "toy/one")).ids == ("toy/one",)


def test_a_result_that_is_gone_is_measured_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    taken = queue.take(order(tmp_path, "toy/one"))
    queue.write("toy/one", Entry(state="done"))
    assert queue.entries(taken)[0]["toy/one"].state == "waiting"
    (tmp_path / "out").mkdir()
    queue.result(taken, "toy/one").write_text("{}")
    assert queue.entries(taken)[0]["toy/one"].state == "done"


def test_the_time_left_is_of_the_pace_measured_or_unknown() -> None:
    assert minutes_left([Entry(), Entry(state="failed", worked_minutes=9.0)], 2) is None
    done = [Entry(state="done", worked_minutes=m) for m in (10.0, 30.0)]
    assert minutes_left(done, 2) == 0.0
    running = Entry(state="running", worked_minutes=5.0)
    assert minutes_left([*done, running, Entry()], 2) == (15.0 + 20.0) / 2
    assert minutes_left([*done, running, Entry()], 1) == 35.0
    late = Entry(state="running", worked_minutes=50.0)  # longer than the mean: no negative rest
    assert minutes_left([*done, late], 2) == 0.0
