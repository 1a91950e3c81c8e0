import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from fleetfoot.train.head.fits import class_map_wins, fit_class_map, fit_linear


def clouds(images: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(images) % 3
    centres = torch.randn(3, 6, generator=generator) * 2
    return centres[labels] + torch.randn(images, 6, generator=generator), labels


def test_linear_is_the_regression_of_scikit_learn() -> None:
    features, labels = clouds()
    head = fit_linear(features, labels, classes=3, penalty=0.1, iterations=200)
    reference = LogisticRegression(C=1 / (0.1 * len(labels)), tol=1e-8, max_iter=1000)
    reference.fit(features.numpy(), labels.numpy())
    found = head(features).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(found, reference.predict_proba(features.numpy()), atol=1e-3)


def test_classes_weigh_alike_however_many_images_they_have() -> None:
    features, labels = clouds()
    few = (labels != 2) | (torch.arange(len(labels)) < 12)
    head = fit_linear(features[few], labels[few], classes=3, penalty=0.01, iterations=100)
    found = head(features).argmax(dim=1)
    assert (found[labels == 2] == 2).float().mean() > 0.8


def known_classifier() -> nn.Linear:
    """Nine known classes, three around each of the centres of `clouds`."""
    features, labels = clouds()
    known = nn.Linear(6, 9)
    with torch.no_grad():
        for place in range(9):
            centre = features[labels == place % 3].mean(dim=0)
            known.weight[place] = centre + 0.1 * torch.randn(6)
            known.bias[place] = -known.weight[place].square().sum() / 2
    return known


def test_a_class_map_gives_related_classes_to_the_same_class() -> None:
    torch.manual_seed(0)
    features, labels = clouds()
    known = known_classifier()
    head = fit_class_map(features, labels, known=known, classes=3, iterations=60)
    assert head.log_shares.argmax(dim=1).tolist() == [0, 1, 2] * 3
    torch.testing.assert_close(head.log_shares.exp().sum(dim=1), torch.ones(9))
    assert (head(features).argmax(dim=1) == labels).float().mean() > 0.9


@pytest.mark.parametrize("meaningful", [True, False])
def test_cross_validation_tells_which_form_is_better(meaningful: bool) -> None:
    torch.manual_seed(0)
    features, labels = clouds()
    known = known_classifier() if meaningful else nn.Linear(6, 2)
    wins, mapped, linear = class_map_wins(
        features, labels, known=known, classes=3, penalty=0.1, iterations=50, seed=0
    )
    assert wins == (mapped >= linear)
    if not meaningful:
        assert not wins
    assert linear > 0.9


def test_a_class_with_one_image_and_a_class_without_any() -> None:
    features, _ = clouds(4)
    labels = torch.tensor([0, 0, 0, 2])
    known = known_classifier()
    for head in (
        fit_linear(features, labels, classes=4, penalty=0.1, iterations=20),
        fit_class_map(features, labels, known=known, classes=4, iterations=20),
    ):
        assert torch.isfinite(head(features)).all()
