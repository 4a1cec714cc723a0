"""Small results that figures can be drawn of."""

from types import SimpleNamespace

import numpy as np

from interp.analysis.coset_indicators import CosetIndicators
from interp.analysis.spectrum import Spectrum
from interp.measuring.band import Band
from interp.measuring.curves import Curve
from interp.measuring.evaluation import SplitValues
from interp.scoring.table import NeuronTable
from probes.parts import FREQUENCIES
from probes.stages import Boundary, Stage

LABELS = ("generalizing", "memorizing", "both", "dead", "inconclusive")
SPLITS = ("train", "clean", "corrupted_as_labelled", "corrupted_as_true", "test", "all")
BEFORE = SplitValues(0.98, 1.0, 0.94, 0.06, 0.986, 0.83)
AFTER = {"without memorizing": SplitValues(0.65, 1.0, 0.008, 1.0, None, 1.0)}


def make_table(n=40, *, effects=True, meta=True):
    generator = np.random.default_rng(0)
    label = np.resize(np.array(LABELS), n)
    columns = {
        "neuron": np.arange(n)[::-1].copy(),
        "label": label,
        "evidence": np.array([f"because <{i}> of a long reason " * 4 for i in range(n)], dtype=object),
        "ipr": np.where(label == "dead", np.nan, generator.uniform(0, 1, n)),
        "frequency": generator.integers(1, 48, n),
        "q_value": np.where(label == "dead", np.nan, generator.uniform(0, 1, n)),
        "rule_effect": generator.normal(size=n),
    }
    columns["ipr"][0] = 1 + 1e-12
    if effects:
        columns["effect_test"] = generator.normal(size=n)
        columns["effect_corrupted_as_labelled"] = generator.normal(size=n)
    return NeuronTable(columns, "mlp", {"null": {"quantile_999": 0.058}} if meta else {})


def make_sweep(missing=(), mode="zero", n_random=20):
    generator = np.random.default_rng(1)
    removed = np.arange(11)
    accuracy = {split: None if split in missing else generator.uniform(0, 1, 11) for split in SPLITS}
    random = {
        split: None if split in missing or not n_random else Band(values, values - 0.1, values + 0.1)
        for split, values in accuracy.items()
    }
    return Curve("lowest IPR first", mode, removed, removed / 10, accuracy, random, n_random)


def make_spectrum(names, generator):
    vectors = [generator.normal(size=13) for _ in names]
    return Spectrum(names, tuple(vectors), tuple(generator.dirichlet(np.ones(6)) for _ in names))


def make_portraits(neurons=(3, 7, 11), names=("left", "right", "output"), grids=()):
    """Portraits with as much as figures read of them."""
    generator, maps = np.random.default_rng(2), dict(grids)
    return {
        neuron: SimpleNamespace(
            neuron=neuron,
            label=LABELS[i % len(LABELS)],
            spectrum=make_spectrum(names, generator),
            grid=maps.get(neuron),
            pair_shares=None,
        )
        for i, neuron in enumerate(neurons)
    }


def make_history(missing=()):
    return [
        {"step": step, "loss": loss, "accuracy": {s: None if s in missing else step / 30 for s in SPLITS}}
        for step, loss in ((0, 0.01), (10, None), (20, 0.0), (30, 1e-5))
    ]


def make_cosets():
    columns = {
        "subgroup": np.array(["S4", "A4", "S4"], object),
        "index": np.array([5, 10, 5]),
        "share": np.array([0.99, 0.95, np.nan]),
        "by_component": np.array([0.25, 0.24, np.nan]),
    }
    return CosetIndicators("S5", None, np.array([2, 5, 7]), np.array([3, 2, 1]), columns)


def make_activation_table(n=40):
    generator = np.random.default_rng(4)
    table, share = make_table(n), generator.uniform(0, 0.9, n)
    columns = {
        "activation_share": np.where(table["label"] == "dead", np.nan, share),
        "activation_harmonics": np.where(table["label"] == "dead", np.nan, share + 0.1),
        "activation_frequency": generator.integers(1, 48, n),
    }
    meta = {"order": "activation_share", "null": {"quantile_999": 0.058, "source": "activations"}}
    return NeuronTable({**table.columns, **columns}, "mlp", meta)


def wave(left, right, n=7, phase=0.4):
    """cos(w_left a + w_right b + phase) over all pairs."""
    w = 2 * np.pi * np.arange(n) / n
    return np.cos(left * w[:, None] + right * w + phase)


def make_grids(neurons=(3, 7, 11), n=7):
    return {neuron: wave(1 + i, 1 + i, n) + 2 for i, neuron in enumerate(neurons)}


def with_grids(grids):
    """Portraits of neurons without weights."""
    return make_portraits(tuple(grids), (), grids)


def make_records(missing=()):
    records = [
        {
            "step": step,
            "file": f"{step}.pth",
            "accuracy": dict.fromkeys(SPLITS, step / 300),
            "loss": {"train": 0.5, "test": 3.0, "all": 1.0},
            "score": "ipr",
            "mean_score": 0.1 + step / 1000,
            "counts": {
                "total": 10,
                "generalizing": step // 100,
                "memorizing": 3,
                "both": 0,
                "dead": 0,
                "inconclusive": 1,
            },
            "weight_norm": 5.0,
            "restricted_loss": 2.0,
            "excluded_loss": 0.0 if step == 100 else 1.0 + step,
            "embedding_gini": 0.3,
            "logit_gini": 0.4,
            "logit_variance_explained": step / 400,
        }
        for step in (0, 100, 200, 300)
    ]
    return [{**record, **dict.fromkeys(missing)} for record in records]


STAGES = (
    Stage("memorisation", Boundary(None, 0), Boundary(0, 100), "many words " * 20),
    Stage("grokking", Boundary(0, 100), Boundary(300, None), "not over"),
)


def make_trajectory(records, stages=()):
    return SimpleNamespace(records=records, stages=stages)


def make_dynamics(steps=(0, 10, 20), neurons=4, stages=(), **columns):
    """Single neurons over training, with as much as figures read of them."""
    generator, shape = np.random.default_rng(6), (len(steps), neurons)
    share, frequency = generator.uniform(size=shape), generator.integers(1, 6, shape)
    alignment = {name: [0.1, None, 0.9] for name in ("resultant", "direction", "median", "p_value")}
    alignment["n"] = [3, 0, 4]
    drawn = {
        "frequency_share": share,
        "ipr": share,
        "norm": share,
        "frequency": frequency,
        "label": np.resize(np.array(LABELS), shape),
    }
    return SimpleNamespace(
        steps=np.array(steps),
        columns=drawn | columns,
        stages=stages,
        order=lambda: np.arange(neurons),
        parts=FREQUENCIES,
        alignment=SimpleNamespace(to_dict=lambda: alignment),
        development=SimpleNamespace(periodic=np.zeros(shape, bool)),
        components=tuple(generator.uniform(size=(*shape, 6)) for _ in range(2)),
    )


def named(figure, name):
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found
