"""Forms of All-CNN: published counts at full width; the paper's errors judged by its rules."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.allcnn import strides as allcnn
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.comparison import Comparison
from fleetfoot.claims.judgement import control_outcome
from fleetfoot.claims.training import Outcome
from fleetfoot.nets.allcnn import Form

PARAMS = {Form.BASE: 954_730, Form.STRIDED: 954_730, Form.CONVPOOL: 1_369_738, Form.ALL: 1_369_738}
PAPER = {Form.BASE: 9.74, Form.STRIDED: 10.19, Form.CONVPOOL: 9.31, Form.ALL: 9.08}


@pytest.mark.parametrize("form", Form)
def test_forms_are_the_published_ones(form: Form) -> None:
    net = allcnn.network(form.name, "gpu")
    assert sum(parameter.numel() for parameter in net.parameters()) == PARAMS[form]
    assert allcnn.network(form.name, "smoke")(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("claim", [c for c in allcnn.CLAIMS if "time" not in c.id])
def test_the_paper_s_errors_give_the_paper_s_verdicts(
    claim: allcnn.Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = torch.empty(0)

    def train(self: Comparison, way: str, setting: Setting, *, seed: int) -> Outcome:
        return Outcome(PAPER[Form[way.upper()]], (1.0,), (1.0,), 1.0, nn.Identity(), none, none)

    monkeypatch.setattr(Comparison, "train", train)
    setting = Setting(scale="cpu")
    assert claim.measure(setting).value == pytest.approx(claim.paper_value)
    assert claim.rule(claim.measure(setting).value) == "reproduced"
    control = claim.control.measure(setting)
    assert control_outcome(claim, control) == "failed_as_it_should"
