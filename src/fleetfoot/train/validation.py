"""Evaluation in the course of training: what is measured, remembered and written down."""

from torch import nn

from fleetfoot.train.distributed import share_buffers
from fleetfoot.train.evaluate import Predictions, evaluate_net
from fleetfoot.train.loaders import Loaders
from fleetfoot.train.plan import Plan
from fleetfoot.train.recorder import Recorder
from fleetfoot.train.steps import Context
from fleetfoot.train.trainee import Trainee, training_mode


def validate(
    trainee: Trainee, loaders: Loaders, context: Context, plan: Plan, recorder: Recorder
) -> None:
    """Evaluate the weights, and their average if there is one; remember the best; write it down."""
    state = trainee.progress
    own = predictions(trainee.net, loaders, plan)
    averaged = None if trainee.ema is None else predictions(trainee.ema.net, loaders, plan)
    judged = averaged or own
    epoch = (state.step - 1) // plan.steps_per_epoch + 1
    if judged.top1 >= state.best_top1:  # ties: the later one
        state.best_top1, state.best_step, state.best_epoch = judged.top1, state.step, epoch
        if trainee.ema is None:
            trainee.keep_best()
    images = state.images or None
    recorder.evaluation(
        {
            "epoch": epoch,
            "step": state.step,
            "train_loss": state.loss_sum / images if images else None,
            "train_accuracy": state.accuracy_sum / images if images else None,
            "val_loss": judged.loss,
            "val_top1": own.top1,
            "val_top5": judged.top5,
            "val_top1_ema": None if averaged is None else averaged.top1,
        }
    )
    state.loss_sum, state.accuracy_sum, state.images = 0.0, 0.0, 0
    training_mode(trainee.net, context.recipe)


def predictions(net: nn.Module, loaders: Loaders, plan: Plan) -> Predictions:
    """Return what ``net`` says to the validation images, computed as the plan computes."""
    share_buffers(net)
    return evaluate_net(
        net, loaders.val, precision=plan.precision, layout=plan.layout, device=plan.device
    )
