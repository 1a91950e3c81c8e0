from typing import Any

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import DataError
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.train_state import TrainState


@pytest.mark.parametrize(
    "progress", [{"step": 1, "steps": 2}, {"step": 1, "stretch": [1, 2]}, {"stretch": 3}]
)
def test_a_state_whose_progress_is_damaged_is_refused_in_a_line(progress: dict[str, Any]) -> None:
    torch.manual_seed(0)
    state = TrainState.of(nn.Linear(2, 2), Recipe())
    saved = state.to_saved(scalars={})
    saved.scalars["progress"] = progress
    with pytest.raises(DataError, match="the saved state is damaged: progress"):
        state.restore(saved)


def test_what_was_saved_comes_back() -> None:
    torch.manual_seed(0)
    state, other = (TrainState.of(nn.Linear(2, 2), Recipe()) for _ in range(2))
    state.progress.step = 7
    other.restore(state.to_saved(scalars={}))
    assert other.progress == state.progress
    assert torch.equal(other.net.weight, state.net.weight)
