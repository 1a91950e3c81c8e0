"""What is copied from the page does what it says."""

import shlex
from pathlib import Path

import pytest

from fleetfoot.report.run_files import RunFiles, read_run
from fleetfoot.report.use import how_to_use
from tests.report.conftest import change, part


def test_nothing_deployed_nothing_to_use() -> None:
    assert how_to_use(RunFiles("r")) is None


def test_the_program_answers_as_the_bundle_does(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = run_folder.rename(run_folder.with_name('it\'s "mine"'))
    use = how_to_use(read_run(strange))
    assert use is not None
    picture = next(run_folder.parent.glob("**/golden/0.png"))
    monkeypatch.chdir(picture.parent)
    exec(use["python"].replace("photo.jpg", picture.name))
    assert "Prediction(" in capsys.readouterr().out
    assert shlex.split(use["command"])[1:] == ["predict", str(strange), "photo.jpg"]


def test_figures_and_pictures_are_those_of_the_bundle(run_folder: Path) -> None:
    use = how_to_use(read_run(run_folder))
    bundle = part(run_folder, "bundle/bundle.json")
    assert use is not None
    assert use["golden_images"] == len(list(run_folder.glob("bundle/golden/*.png"))) == 3
    for name in ("graph_bytes", "cold_start_ms", "end_to_end_ms_p50"):
        assert use[name] == (bundle.get("use") or {}).get(name)


@pytest.mark.parametrize("changes", [{"files": {}}, {"reference": {"images": 9, "top1": None}}])
def test_noise_and_no_pictures_are_none_of_the_users(run_folder: Path, changes: dict) -> None:
    change(run_folder, "bundle/bundle.json", **changes)
    use = how_to_use(read_run(run_folder))
    assert use is not None
    assert use["golden_images"] == 0


def test_a_bundle_alone_is_used_where_it_lies(run_folder: Path) -> None:
    use = how_to_use(read_run(run_folder / "bundle"))
    assert use is not None
    assert f'"{run_folder / "bundle"}"' in use["python"]
