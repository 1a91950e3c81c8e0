import json
import shutil
from pathlib import Path

import pytest

from fleetfoot import cli
from fleetfoot.jobs.audit import audit


def test_damage_and_duplicates_are_found_and_nothing_is_refused(pictures: Path):
    (pictures / "red" / "damaged.png").write_bytes(b"no picture")
    shutil.copy(pictures / "red" / "0.png", pictures / "blue" / "copy.png")
    found = audit(str(pictures))
    assert [damage.key for damage in found.damaged] == ["red/damaged.png"]
    assert ("blue/copy.png", "red/0.png") in {
        tuple(sorted(group)) for group in found.exact_duplicates.differing_labels
    }
    assert sum(found.images.values()) == 10


def test_both_forms_of_the_answer(pictures: Path, capsys: pytest.CaptureFixture[str]):
    (pictures / "red" / "damaged.png").write_bytes(b"no picture")
    assert cli.run(["audit", str(pictures), "--json", "--quiet"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "fleetfoot.audit/1"
    assert answer["classes"].keys() == {"blue", "green", "red"}
    assert cli.run(["audit", str(pictures), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "damaged.png" in out
    assert "imbalance" in out
    assert err == ""


def test_what_is_no_data_set_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.run(["audit", str(tmp_path / "missing"), "--quiet"]) == 3
    assert "missing" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert cli.run(["audit", str(tmp_path / "empty"), "--quiet"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
