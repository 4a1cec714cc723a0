"""Methods that the study compares, with the control of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interp.lab.continual.method import Method
from interp.lab.continual.methods.ewc import EWC
from interp.lab.continual.methods.fpf import FinetuneMoved
from interp.lab.continual.methods.hidden_replay import HiddenReplay
from interp.lab.continual.methods.homeostatic import Homeostatic
from interp.lab.continual.methods.joint import Joint
from interp.lab.continual.methods.l2 import L2
from interp.lab.continual.methods.mas import MAS
from interp.lab.continual.methods.penalty import Penalty
from interp.lab.continual.methods.projection import Projection
from interp.lab.continual.methods.replay import Replay
from interp.lab.continual.methods.schedules import Rate, RepeatedCosine, WarmCoolAnneal, mean_share
from interp.lab.continual.sequence import NAIVE


@dataclass(frozen=True)
class Arm:
    """A method in the table.

    Attributes:
        control: The arm that it is compared with, beside naive training.
        everywhere: Whether it is run on every benchmark, or on permuted digits alone.
    """

    words: str
    method: Method
    control: str | None = None
    everywhere: bool = False


def arms(n_tasks: int, updates: int, kept: int) -> dict[str, Arm]:
    """All methods without a strength; homeostatic rates in random order need those of their run and come later.

    Args:
        kept: Examples of each task that replay and fine-tuning may keep.
    """
    cosine, infinite = RepeatedCosine(), WarmCoolAnneal()
    means = {
        "cosine": mean_share(cosine, n_tasks, updates),
        "infinite": mean_share(infinite, n_tasks, updates),
    }
    return {
        "naive": Arm("naive", NAIVE, everywhere=True),
        "joint": Arm("all tasks at once", Joint(), everywhere=True),
        "projection": Arm("Hebbian projection", Projection(), "projection_random", everywhere=True),
        "projection_random": Arm("projection, random subspace", Projection(random=True), everywhere=True),
        "replay": Arm("replay", Replay(kept), "replay_shuffled", everywhere=True),
        "replay_shuffled": Arm("replay, shuffled labels", Replay(kept, content="shuffled")),
        "hidden": Arm("hidden replay", HiddenReplay(kept), "hidden_noise", everywhere=True),
        "hidden_noise": Arm("hidden replay of noise", HiddenReplay(kept, content="noise")),
        "stable": Arm(
            "hidden replay, stable units", HiddenReplay(kept, stable=0.5, layer="0"), "hidden", True
        ),
        "fpf_most": Arm("fine-tuned: most moved", FinetuneMoved("most", kept), "fpf_least", everywhere=True),
        "fpf_least": Arm("fine-tuned: least moved", FinetuneMoved("least", kept), everywhere=True),
        "fpf_all": Arm("fine-tuned: all", FinetuneMoved("all", kept), everywhere=True),
        "kfpf_most": Arm("3 times: most moved", FinetuneMoved("most", kept, times=3), "kfpf_all"),
        "kfpf_all": Arm("3 times: all", FinetuneMoved("all", kept, times=3)),
        "cosine": Arm("cosine in every task", cosine, "cosine_mean"),
        "cosine_mean": Arm("constant, its mean rate", Rate(means["cosine"])),
        "infinite": Arm("warm-up, cool-down, constant, anneal", infinite, "infinite_mean"),
        "infinite_mean": Arm("constant, mean rate of that", Rate(means["infinite"])),
        "homeostatic": Arm("homeostatic rate", Homeostatic(), "homeostatic_random"),
    }


HOMEOSTATIC_RANDOM = "homeostatic_random"
PENALTIES = {
    "l2": "L2",
    "ewc": "EWC",
    "ewc_shuffled": "EWC, shuffled importance",
    "mas": "MAS",
    "mas_shuffled": "MAS, shuffled importance",
}
"""Methods with a strength, which are run at each of several."""
CONTROLS = {"ewc": "ewc_shuffled", "mas": "mas_shuffled"}
STRENGTHS: dict[str, dict[str, tuple[float, ...]]] = {
    "permuted": {
        "l2": (0.003, 0.01, 0.03, 0.1, 0.3, 30.0),
        "ewc": (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
        "mas": (0.001, 0.01, 0.03, 0.1, 0.3, 3.0),
    },
    "classes": {"l2": (0.01, 0.1, 1.0), "ewc": (10.0, 100.0, 1000.0), "mas": (0.01, 0.1, 1.0)},
    "operations": {"l2": (0.01, 0.03, 0.1), "ewc": (1e3, 1e4, 1e5), "mas": (0.01, 0.1, 1.0)},
}
"""By benchmark and penalty; the largest of permuted digits are too large for gradient steps."""


def penalty(arm: str, strength: float) -> Penalty:
    """A penalty of `PENALTIES` at a strength.

    Example:
        >>> penalty("ewc_shuffled", 10.0)
        EWC(strength=10.0, shuffled=True)
    """
    kind, _, shuffled = arm.partition("_")
    kinds: dict[str, Callable[[float, bool], Penalty]] = {"l2": L2, "ewc": EWC, "mas": MAS}
    return kinds[kind](strength, bool(shuffled))


def penalties(name: str) -> dict[str, tuple[float, ...]]:
    """Strengths of each arm of `PENALTIES` that is run on a benchmark; shuffled ones on permuted digits alone.

    Example:
        >>> list(penalties("classes"))
        ['l2', 'ewc', 'mas']
    """
    strengths = STRENGTHS[name]
    own = [arm for arm in PENALTIES if name == "permuted" or not arm.endswith("_shuffled")]
    return {arm: strengths[arm.partition("_")[0]] for arm in own}
