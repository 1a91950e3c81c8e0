"""Evaluation in the course of training: what is measured, remembered and written down."""

from torch import nn

from fleetfoot.train.evaluate import Predictions, evaluate_net
from fleetfoot.train.loaders import Loaders
from fleetfoot.train.planning.plan import Plan
from fleetfoot.train.process.distributed import share_buffers
from fleetfoot.train.recorder import Recorder
from fleetfoot.train.steps.step import Context
from fleetfoot.train.train_state import TrainState, training_mode


def validate(
    state: TrainState, loaders: Loaders, context: Context, plan: Plan, recorder: Recorder
) -> None:
    """Evaluate the weights, and their average if there is one; remember the best; write it down."""
    done = state.progress
    own = predictions(state.net, loaders, plan)
    averaged = None if state.ema is None else predictions(state.ema.net, loaders, plan)
    judged = averaged or own
    epoch = (done.step - 1) // plan.steps_per_epoch + 1
    settled = all(layer.settled for layer in state.masked)
    if not settled:
        done.best_epoch = epoch  # a network that still loses connections is not the one to keep
    elif judged.top1 >= done.best_top1:  # ties: the later one
        done.best_top1, done.best_step, done.best_epoch = judged.top1, done.step, epoch
        if state.ema is None:
            state.keep_best()
    images = done.images or None
    recorder.evaluation(
        {
            "epoch": epoch,
            "step": done.step,
            "train_loss": done.loss_sum / images if images else None,
            "train_accuracy": done.accuracy_sum / images if images else None,
            "val_loss": judged.loss,
            "val_top1": own.top1,
            "val_top5": judged.top5,
            "val_top1_ema": None if averaged is None else averaged.top1,
        }
    )
    done.loss_sum, done.accuracy_sum, done.images = 0.0, 0.0, 0
    training_mode(state.net, context.recipe)


def predictions(net: nn.Module, loaders: Loaders, plan: Plan) -> Predictions:
    """Return what ``net`` says to the validation images, computed as the plan computes."""
    share_buffers(net)
    return evaluate_net(
        net, loaders.val, precision=plan.precision, layout=plan.layout, device=plan.device
    )
