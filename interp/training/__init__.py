"""The one training loop: seeded, resumable to the bit, and safe to kill; for one network or many of one shape."""

from interp.training.settings import MAY_CHANGE, TrainConfig
from interp.training.single import During, TrainResult, finish, new_transformer, prepare, train
from interp.training.state import Network, TrainingRun, Until
from interp.training.together import MLPStack, train_together

__all__ = [
    "MAY_CHANGE",
    "During",
    "MLPStack",
    "Network",
    "TrainConfig",
    "TrainResult",
    "TrainingRun",
    "Until",
    "finish",
    "new_transformer",
    "prepare",
    "train",
    "train_together",
]
