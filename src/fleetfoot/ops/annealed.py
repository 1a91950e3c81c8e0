"""Layers that change while a network is trained, by the share of the training that is done."""


class Annealed:
    """A layer with a `progress`, which the training loop sets before every step.

    Attributes:
        progress: share of the training that is done, from 0; 1 for a network that is not trained.
    """

    progress: float = 1.0
