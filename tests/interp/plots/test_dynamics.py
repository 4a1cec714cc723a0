"""Single neurons over training."""

from interp import plots


def test_names_of_stages_that_end_close_together_stand_above_each_other():
    ends = {"memorisation": 300, "circuit formation": 350, "clean-up": 900}
    stages = [{"name": name, "end": end} for name, end in ends.items()]
    found = {name: [0.5] * 2 for name in ("resultant", "direction", "median", "p_value")} | {"n": [3, 3]}
    shown = plots.alignment_curve([0, 1000], found, stages).layout.annotations
    assert [one.text for one in shown] == [f"end of {name}" for name in ends]
    assert [bool(one.yshift) for one in shown] == [False, True, False]
