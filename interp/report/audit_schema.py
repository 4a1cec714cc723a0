"""The JSON Schema of an audit of a classifier, and of records that other results have too."""

from __future__ import annotations

from interp.data.splits import SPLITS
from interp.report.schema_types import (
    ANY,
    COUNT,
    FLAG,
    NUMBER,
    SHARE,
    TEXT,
    WHOLE,
    Schema,
    by_name,
    each,
    exactly,
    maybe,
    of_fields,
    one_of,
    rows,
)
from probes.labels import LABELS, MEMORIZING

BY_SPLIT = each(tuple(SPLITS), SHARE)
COUNTS = each(("total", *LABELS), maybe(COUNT))
MADE_BY = exactly({"command": maybe(TEXT), "versions": by_name(TEXT)}, ("command",))


def shared() -> dict[str, Schema]:
    """Schemas of the records whose JSON is more, or less, than their fields, by the class."""
    from interp.analysis.relearning import NEVER_TRAINED, OTHER_LABEL, Relearning
    from interp.measuring.band import Band
    from interp.measuring.crossfit import GAP
    from interp.measuring.traces import Traces

    band = of_fields(Band)
    random = each(tuple(SPLITS), maybe(band))
    counted = {"random_draws": COUNT, "controlled": FLAG}
    removal = exactly(
        {"removed": COUNT, "accuracy": BY_SPLIT, "random_accuracy": random, **counted}
        | {"ranks": maybe(of_fields(Traces))}
    )
    crossfit = exactly(
        {**BY_SPLIT["properties"], GAP: NUMBER, "size": NUMBER, "effect_kept": NUMBER, "judged_by": TEXT}
        | {"random": by_name(maybe(band)), **counted}
    )
    steps = dict.fromkeys(("steps", NEVER_TRAINED, OTHER_LABEL), NUMBER) | {"faster": maybe(FLAG)}
    relearning = of_fields(Relearning, **steps)
    return {
        "SplitValues": BY_SPLIT,
        "Band": band,
        "Removal": removal,
        "CrossFit": crossfit,
        "Relearning": relearning,
        "random": random,
    }


def audit() -> Schema:
    """An audit of a classifier."""
    from interp.analysis.circuit import Circuit
    from interp.analysis.populations import JUDGED_BY
    from interp.measuring.memory_set import MemorySet
    from interp.measuring.phase import PHASES
    from probes.labels import Criteria

    own = shared()
    removal, phase = own["Removal"], maybe(one_of(tuple(PHASES)))

    def without(label: str) -> Schema:
        more = {"crossfit": maybe(own["CrossFit"])} if label in JUDGED_BY else {}
        more |= {"relearn": maybe(own["Relearning"])} if label == MEMORIZING else {}
        return exactly(removal["properties"] | more)

    leakage = {"test_pairs": COUNT, "leaked": COUNT, "duplicates": COUNT, "asymmetry": NUMBER}
    task = {"operation": maybe(TEXT), "p": maybe(COUNT), "train_fraction": SHARE, "split_known": FLAG}
    task |= {"corrupt_fraction": SHARE, "examples": COUNT, "seed": maybe(WHOLE)}
    return exactly(
        {
            "checkpoint": TEXT,
            "dialect": TEXT,
            "step": maybe(WHOLE),
            "task": exactly(task),
            "model": {"type": "object", "required": ["axis", "layout"]},  # its other settings are of its kind
            "convention": by_name(ANY),
            "criteria": of_fields(Criteria),
            "null": by_name(ANY),
            "site": TEXT,
            "accuracy": BY_SPLIT,
            "base_rate": exactly(_base_rate()),
            "phase": phase,
            "phase_by_table": phase,
            "phase_by_corrupted": phase,
            "neurons": COUNTS,
            "mean_ipr": SHARE,
            "key_frequencies": maybe(rows(COUNT)),
            "components": maybe(rows(by_name(ANY))),
            "coset_indicators": maybe(_cosets()),
            **{f"without_{label}": without(label) for label in LABELS},
            "memory_set": maybe(of_fields(MemorySet, own, size=COUNT)),
            "no_memory": maybe(TEXT),
            "leakage": maybe(exactly({**leakage, "accuracy_without": SHARE})),
            "circuit": maybe(_with_optional(of_fields(Circuit, algorithm=maybe(TEXT)), "components", "excluded_pairs")),
            "trajectory": maybe(exactly(trajectory())),
            "reading": rows(TEXT),
            "stored_accuracy": by_name(SHARE),
            "ablation": rows(_curve(own)),
            "agreement": exactly({"auc": SHARE, "low": SHARE, "high": SHARE}),
            "verdict": rows(TEXT),
            "warnings": rows(TEXT),
            "made_by": MADE_BY,
        }
    )  # fmt: skip


def _base_rate() -> dict[str, Schema]:
    rate = {
        "split": maybe(TEXT),
        "examples": COUNT,
        "commonest": maybe(WHOLE),
        "above": FLAG,
        "recall": by_name(SHARE),
    }
    return rate | dict.fromkeys(
        ("base_rate", "accuracy", "low", "high", "p_value", "balanced_accuracy"), SHARE
    )


def _with_optional(schema: Schema, *names: str) -> Schema:
    return exactly(schema["properties"], names)


def _curve(own: dict[str, Schema]) -> Schema:
    numbers = rows(SHARE)
    bands = each(("mean", "low", "high"), numbers)
    return exactly(
        {"order": TEXT, "mode": TEXT, "fraction": numbers, "random_draws": COUNT}
        | {
            "accuracy": each(tuple(SPLITS), maybe(numbers)),
            "random_accuracy": each(tuple(SPLITS), maybe(bands)),
        }
    )


def _cosets() -> Schema:
    from interp.analysis.coset_indicators import CosetIndicators

    whole = of_fields(CosetIndicators, None, ("neuron", "component"))["properties"]
    counted = {"indicate": COUNT, "beyond_component": COUNT, "by_subgroup": by_name(COUNT)}
    return exactly({**whole, **counted, "columns": by_name(rows(ANY))})


def trajectory() -> dict[str, Schema]:
    """Keys of a training run's checkpoints and stages."""
    record = {"step": WHOLE, "file": maybe(TEXT), "accuracy": BY_SPLIT, "counts": COUNTS, "score": TEXT}
    stage = {"name": TEXT, "begin": maybe(WHOLE), "end": maybe(WHOLE), "reason": TEXT}
    stage |= {name: rows(maybe(WHOLE)) for name in ("begin_interval", "end_interval")}
    one = {"type": "object", "properties": record, "required": list(record)}  # and numbers of the task's kind
    return {"records": rows(one), "stages": rows(exactly(stage))}
