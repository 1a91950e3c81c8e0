import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.data.augment import Augment, Mix
from fleetfoot.nets.catalog import entry, option_names
from fleetfoot.recipes.catalog import PUBLISHED, recipe_named
from fleetfoot.recipes.method import catalog
from fleetfoot.recipes.published import Published
from fleetfoot.recipes.small import FORMS, Form, small
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import AdamW, RMSProp
from fleetfoot.train.optim.schedules import Exponential, Plateau
from fleetfoot.train.recipe import Checkpoints, Examples, Network, Recipe


def form(**changes):
    words = {"net": "fasternet_t0", "data": "cifar10", "size": 32, "images": 640, "epochs": 2}
    return Form(**{**words, **changes})


def derived(recipe, **changes):
    words = {"net": "fasternet_t0", "size": 224, "top1": None, "note": "", "paper": ""}
    return small(Published(recipe=lambda: recipe, images=6400, **words), form(**changes))


def test_the_rate_follows_the_root_of_the_batch():
    fast, rmsprop = AdamW(lr=0.8), RMSProp(lr=0.8)
    found = derived(Recipe(epochs=100, batch=1024, optimizer=fast))
    assert (found.batch, found.epochs) == (64, 2)
    assert found.optimizer.lr == pytest.approx(0.8 / 4)
    assert derived(Recipe(epochs=9, batch=32, optimizer=fast)).optimizer.lr == 0.8
    assert derived(Recipe(batch=128, optimizer=rmsprop)).optimizer.lr == pytest.approx(0.4)


def test_a_plateau_becomes_falls_at_fixed_shares():
    found = derived(Recipe(schedule=Plateau(drops=2, warmup=0.05)))
    assert (found.schedule.kind, found.schedule.milestones) == ("steps", (0.5, 0.75))
    kept = derived(Recipe(schedule=Exponential(step_factor=0.9, decay_every=0.03, warmup=0.05)))
    assert kept.schedule == Exponential(step_factor=0.9, decay_every=0.03, warmup=0.1)


def test_the_average_reaches_back_over_the_same_share_of_the_run():
    averaged = Recipe(epochs=10, batch=64, checkpoints=Checkpoints(ema=0.99))
    found = derived(averaged)  # 1000 steps become 20
    assert found.checkpoints.ema == pytest.approx(1 - 0.01 * 1000 / 20)
    assert derived(Recipe()).checkpoints.ema is None


def test_what_fights_over_fitting_is_left_out():
    strong = Augment(
        crop="resized", flip=0.5, rand_augment=9, mix=Mix(mixup=0.5, cutmix=1.0, erasing=0.2)
    )
    found = derived(
        Recipe(examples=Examples(augment=strong), network=Network(drop_path=0.3, dropout=0.5))
    )
    assert found.augment == Augment(crop="pad", pad=2, flip=0.5)
    assert (found.network.drop_path, found.network.dropout) == (0.0, 0.0)
    assert derived(Recipe(examples=Examples(augment=strong)), data="mnist").augment.flip == 0.0
    still = Augment(crop="none", flip=0.0)
    assert derived(Recipe(examples=Examples(augment=still))).augment.crop == "none"


def test_sizes_keep_their_proportions():
    found = derived(Recipe(examples=Examples(sizes=((0.0, 192), (0.9, 224)))), size=56)
    assert found.examples.sizes == ((0.0, 48), (0.9, 56))


def test_words_of_the_network_are_those_of_the_form():
    found = derived(
        Recipe(network=Network(options=(("lrn", True),)), methods=methods("a")), methods=("b",)
    )
    assert (found.network.options, found.methods) == ((), methods("a", "b"))


def test_too_few_images_are_refused():
    with pytest.raises(UsageError, match="30 images are less than a batch of 32"):
        derived(Recipe(), images=30)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_stands_for_a_published_recipe(name):
    chosen = FORMS[name]
    builder = entry(chosen.net).builder
    assert {word for word, _ in chosen.options} <= {*option_names(builder)}
    assert {word.partition(":")[0] for word in chosen.methods} <= {*catalog()}
    assert recipe_named(f"{name}_small") == small(PUBLISHED[name], chosen)
