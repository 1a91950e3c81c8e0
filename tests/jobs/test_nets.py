import json

import pytest

from fleetfoot import cli
from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.nets import nets

pytest.importorskip("torch")

from fleetfoot.nets import catalog


def test_networks_come_sorted_with_their_facts():
    rows = nets().nets
    names = [row.name for row in rows]
    assert names == sorted(names)
    facts = {row.name: row for row in rows}
    assert facts["fasternet_t0"].params == catalog.entry("fasternet_t0").params
    assert facts["fasternet_t0"].classes == 1000
    assert facts["fasternet_t0"].weights is None
    assert facts["fasternet_t0"].license is None
    assert facts["tf_efficientnet_lite0"].weights
    assert facts["tf_efficientnet_lite0"].license


def test_a_pattern_or_a_name_narrows_the_list():
    assert {row.name for row in nets("fasternet_t?").nets} == {
        f"fasternet_t{number}" for number in range(3)
    }
    assert [row.name for row in nets("fasternet_t0").nets] == ["fasternet_t0"]
    with pytest.raises(UsageError, match="nearest: fasternet"):
        nets("fasternet_tt")
    with pytest.raises(UsageError, match="no network matches"):
        nets("*nothing*")


def test_both_forms_of_the_answer(capsys: pytest.CaptureFixture[str]):
    assert cli.run(["nets", "fasternet*", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "fleetfoot.nets/1"
    keys = {"name", "family", "note", "params", "macs", "input", "classes", "paper"}
    keys |= {"checked_against", "weights", "license"}
    assert all(row.keys() == keys for row in answer["nets"])
    assert cli.run(["nets", "fasternet*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["name", "params", "MACs"]
    assert len(lines) == 1 + len(answer["nets"])
    assert all(line == line.rstrip() for line in lines)
