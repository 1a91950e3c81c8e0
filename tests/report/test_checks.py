from typing import Any

from fleetfoot.report.checks import audit_checks


def by_name(audit: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in audit_checks(audit)}


def test_what_is_found_is_counted_and_named() -> None:
    rows = by_name(
        {
            "damaged": [{"key": "a.jpg", "reason": "cut short"}],
            "exif_turned": [f"{i}.jpg" for i in range(9)],
            "exact_duplicates": {"groups": [["a", "b"]], "across_splits": [["a", "b"]]},
            "imbalance": 3.5,
        }
    )
    assert rows["damaged files"]["examples"] == ["a.jpg: cut short"]
    assert rows["damaged files"]["look"] is True
    turned = rows["pictures turned by their EXIF tag"]
    assert (turned["found"], turned["look"], len(turned["examples"])) == (9, False, 6)
    assert rows["pixel for pixel images alike"]["look"] is False
    assert rows["pixel for pixel alike across splits: the figures flatter"]["examples"] == ["a = b"]
    assert rows["largest class over smallest, in training"]["look"] is True


def test_nothing_found_is_clear_and_nothing_looked_at_is_unknown() -> None:
    rows = by_name({"damaged": [], "imbalance": 1.0})
    assert (rows["damaged files"]["found"], rows["damaged files"]["look"]) == (0, False)
    assert rows["groups in more than one split"]["found"] is None
    assert rows["largest class over smallest, in training"]["look"] is False
