from pathlib import Path
from typing import Any

from fleetfoot.report.checks import audit_checks
from tests.report.conftest import part


def by_name(run: Path, **found: Any) -> dict[str, dict[str, Any]]:
    """Return the checks of the run's audit, with other findings."""
    return {row["check"]: row for row in audit_checks(part(run, "data.json")["audit"] | found)}


def test_what_is_found_is_counted_and_named(written: Path) -> None:
    rows = by_name(written, exif_turned=[f"{i}.jpg" for i in range(9)], imbalance=3.5)
    (example,) = rows["damaged files"]["examples"]
    assert example.startswith("damaged <u>.jpg: ")
    assert rows["damaged files"]["look"] is True
    turned = rows["pictures turned by their EXIF tag"]
    assert (turned["found"], turned["look"], len(turned["examples"])) == (9, False, 6)
    assert rows["pixel for pixel images alike"]["look"] is False
    assert rows["pixel for pixel alike across splits: the figures flatter"]["examples"] == [
        '0 train "0" <b>.jpg = again.jpg'
    ]
    assert rows["largest class over smallest, in training"]["look"] is True


def test_of_a_large_group_the_first_are_named(written: Path) -> None:
    group = [f"{number}.jpg" for number in range(4_000)]
    alike = {"groups": [group], "across_splits": [group], "differing_labels": []}
    (example,) = by_name(written, near_duplicates=alike)["nearly images alike"]["examples"]
    assert example == "0.jpg = 1.jpg = 2.jpg = 3.jpg and 3996 more"


def test_nothing_found_is_clear_and_no_imbalance_is_unknown(written: Path) -> None:
    rows = by_name(written, damaged=[], imbalance=1.0)
    assert (rows["damaged files"]["found"], rows["damaged files"]["look"]) == (0, False)
    assert rows["groups in more than one split"]["found"] == 0
    assert rows["largest class over smallest, in training"]["look"] is False
    unknown = by_name(written, imbalance=None)["largest class over smallest, in training"]
    assert (unknown["found"], unknown["look"]) == (None, False)
