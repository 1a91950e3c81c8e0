from fleetfoot.report.page import facts, resolve, token


def test_resolve_unknown_is_none() -> None:
    report = {"a": {"b": [1, 2]}}
    assert resolve(report, "/a/b/1") == 2
    assert [resolve(report, p) for p in ("/a/b/9", "/a/b/x", "/a/c", "/a/b/0/c")] == [None] * 4


def test_facts_reach_every_value() -> None:
    value = {"step_ms": 2.0, "augment": {"flip/flop": 0.5}, "notes": ["a", "b"], "none": {}}
    found = list(facts(value, "/plan"))
    assert found == [
        ("step", "/plan/step_ms", "ms"),
        ("augment \u203a flip/flop", "/plan/augment/flip~1flop", "number"),
        ("notes", "/plan/notes", "text"),
        ("none", "/plan/none", "text"),
    ]
    assert [resolve({"plan": value}, pointer) for _, pointer, _ in found][1] == 0.5


def test_a_field_takes_the_unit_around_it() -> None:
    value = {"seconds": {"train": 3.2, "unit": "s"}, "caches": {"L2": 4096}, "versions": {"a": 1}}
    assert [kind for _, _, kind in facts(value, "/run")] == ["seconds", "text", "bytes", "count"]


def test_facts_cut_long_lists_of_objects() -> None:
    found = list(facts({"measured": [{"i": i} for i in range(50)]}, ""))
    assert [label for label, _, _ in found][:2] == ["measured 1", "measured 2"]
    assert len(found) == 12


def test_token_round_trip() -> None:
    name = "a/b~c"
    assert resolve({name: 1}, f"/{token(name)}") == 1
