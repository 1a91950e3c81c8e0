import os
import sys

import pytest

from fleetfoot.train.process.patience import FEW, OTHERS, SPINS, patient_threads


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process in which torch is not imported yet, and nobody has decided how threads wait."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_torch_is_imported_with_few_spins_and_other_processes_decide_for_themselves(
    fresh: pytest.MonkeyPatch,
) -> None:
    with patient_threads():
        assert os.environ[SPINS] == FEW
    assert SPINS not in os.environ

    def fail() -> None:
        with patient_threads():
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert SPINS not in os.environ


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_person_decided_stays(name: str, fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv(name, "active")
    before = dict(os.environ)
    with patient_threads():
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_it_comes_too_late_once_torch_is_there(fresh: pytest.MonkeyPatch) -> None:
    fresh.setitem(sys.modules, "torch", object())
    with patient_threads():
        assert SPINS not in os.environ
