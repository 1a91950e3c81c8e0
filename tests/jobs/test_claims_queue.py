"""The words about a queue: what is asked, what is refused, what is shown."""

import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from fleetfoot import cli
from fleetfoot.claims.queue import Entry, Queue
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.file_lock import locked
from fleetfoot.core.listener import Silent
from fleetfoot.jobs import claims_queue as verb
from fleetfoot.jobs.claims_queue import QueueRecord, QueueRow, claims_queue, show
from fleetfoot.jobs.requests import ClaimsRequest
from fleetfoot.measure.device import allowed_threads

ID = "efficientnet/params"


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the queue would have been worked on with."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(verb, "work_on", lambda queue, order, **words: calls.append(words))
    return calls


def run(folder: Path, *ids: str, **words: Any) -> QueueRecord:
    words = {"scale": "smoke", "out": folder.parent / "out", **words}
    return claims_queue(ClaimsRequest(word="run", ids=ids, queue=folder, **words), Silent())


def test_a_queue_takes_claims_and_alone_goes_on(
    tmp_path: Path, no_work: list[dict[str, Any]]
) -> None:
    record = run(tmp_path / "queue", ID, data=tmp_path, jobs=3, retry=True)
    assert [row.id for row in record.claims] == [ID]
    assert (record.scale, record.waiting, record.minutes_left) == ("smoke", 1, None)
    assert (no_work[0]["workers"], no_work[0]["again"]) == (min(3, allowed_threads()), True)
    again = run(tmp_path / "queue", scale=None, out=None)
    assert again == record
    assert Queue(tmp_path / "queue").order().data == tmp_path
    assert no_work[1]["again"] is False


def test_unknown_claims_make_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no claim matches 'nothing"):
        run(tmp_path / "queue", "nothing/*")
    with pytest.raises(DataError, match="holds no queue"):
        run(tmp_path / "queue")
    assert not (tmp_path / "queue").exists()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ClaimsRequest(word="queue", ids=()), "takes one folder"),
        (ClaimsRequest(word="queue", ids=("a", "b")), "takes one folder"),
        (ClaimsRequest(word="list", ids=(), queue=Path("queue")), "only `claims run`"),
        (ClaimsRequest(word="run", ids=(ID,), queue=Path("queue"), device="cuda"), "on the cpu"),
        (ClaimsRequest(word="run", ids=(ID,), queue=Path("queue"), jobs=0), "--jobs 0"),
    ],
)
def test_words_that_do_not_fit(request_: ClaimsRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        claims_queue(request_, Silent())


def shown(record: QueueRecord) -> str:
    stream = io.StringIO()
    show(record, stream)
    return " ".join(stream.getvalue().split())


def test_the_screen_says_what_runs_and_how_long_it_takes(tmp_path: Path) -> None:
    folder = tmp_path / "my queue"
    run(folder, ID, "efficientnet/macs")
    queue = Queue(folder)
    since = "2026-12-01T01:02:03+00:00"
    training = {"stage": "measuring", "step": 40, "total_steps": 120, "since": since}
    queue.write(ID, Entry(state="running", trainings=2, worked_minutes=65.0, **training))
    asked = ClaimsRequest(word="queue", ids=(str(folder),), jobs=1)
    text = shown(claims_queue(asked, Silent()))
    assert f"{ID} stopped 1 h 05 min 2: step 40 of 120 2026-12-01T01:02:03 measuring" in text
    assert "0 done, 0 running, 2 left; time left: unknown until a claim of this queue" in text
    assert f"nothing works on it: fleetfoot claims run --queue '{folder}'" in text
    (tmp_path / "out" / "efficientnet.macs.smoke.json").write_text("{}")
    queue.write("efficientnet/macs", Entry(state="done", worked_minutes=90.0))
    with locked(queue.lock):
        text = shown(claims_queue(asked, Silent()))
    assert f"{ID} running" in text
    assert "1 done, 1 running, 0 left; time left: about 25 min" in text
    assert "nothing works on it" not in text
    queue.write(ID, Entry(state="failed", error="no images", exit_code=3))
    assert "1 failed, tried again with --retry" in shown(claims_queue(asked, Silent()))


def test_json_has_every_key_and_a_failure_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "queue", ID)
    Queue(tmp_path / "queue").write(ID, Entry(state="failed", error="no images", exit_code=3))
    words = ["--json", "--quiet"]
    assert cli.run(["claims", "queue", str(tmp_path / "queue"), *words]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.pop("schema") == "fleetfoot.claims_queue/1"
    assert set(answer) == {field.name for field in dataclasses.fields(QueueRecord)}
    assert set(answer["claims"][0]) == {field.name for field in dataclasses.fields(QueueRow)}
    assert cli.run(["claims", "run", "--queue", str(tmp_path / "queue"), *words]) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_a_queue_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    run(tmp_path / "queue", ID)
    before = sorted(path.name for path in (tmp_path / "queue").iterdir())
    claims_queue(ClaimsRequest(word="queue", ids=(str(tmp_path / "queue"),)), Silent())
    assert sorted(path.name for path in (tmp_path / "queue").iterdir()) == before
