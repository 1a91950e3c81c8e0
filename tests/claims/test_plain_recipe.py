"""A plain recipe does nothing to images, labels and rates but for what it is told."""

from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.data.augment import Augment
from fleetfoot.train.optim.learning_rate import lr_at


def test_nothing_happens_unasked() -> None:
    recipe = plain_recipe(epochs=4, lr=0.5)
    assert recipe.augment == Augment(crop="none", flip=0.0)
    assert (recipe.optimizer.weight_decay, recipe.examples.label_smoothing) == (0.0, 0.0)
    assert recipe.methods == ()
    rates = {lr_at(step, recipe, total_steps=40, warmup_steps=0) for step in range(40)}
    assert rates == {0.5}


def test_words_replace_what_is_plain() -> None:
    recipe = plain_recipe(
        epochs=4, milestones=(0.5,), batch=8, augment={"flip": 0.5, "crop": "pad"}
    )
    assert (recipe.schedule.milestones, recipe.batch) == ((0.5,), 8)
    assert (recipe.augment.flip, recipe.augment.crop) == (0.5, "pad")
