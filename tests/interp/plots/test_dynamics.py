"""Single neurons over training."""

from sampled import make_dynamics

from interp import plots
from probes.stages import Boundary, Stage


def test_names_of_stages_that_end_close_together_stand_above_each_other():
    ends = {"memorisation": 300, "circuit formation": 350, "clean-up": 900}
    stages = [Stage(name, Boundary(None, 0), Boundary(0, end), "") for name, end in ends.items()]
    shown = plots.alignment_curve(make_dynamics((0, 500, 1000), stages=stages)).layout.annotations
    assert [one.text for one in shown] == [f"end of {name}" for name in ends]
    assert [bool(one.yshift) for one in shown] == [False, True, False]
