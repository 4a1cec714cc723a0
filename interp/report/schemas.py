"""JSON Schemas of the results that commands write, made from the records, labels and splits that they are made of.

A result states its schema and version, see `interp.output.framed`. Records are imported where they are asked for: the
command line checks names without them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from interp.data.splits import SPLITS
from interp.errors import choose
from interp.output import SCHEMA_VERSION
from interp.report.audit_schema import BY_SPLIT, MADE_BY, audit, shared, trajectory
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
    of_type,
    one_of,
    rows,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"


@cache
def schema_of(name: str) -> Schema:
    """The schema of a kind of result, complete with its name and version.

    Raises:
        ConfigError: There is no such kind.

    Example:
        >>> schema_of("dose")["$id"]
        'urn:grokscope:schema:dose:1'
    """
    body = SCHEMAS[choose("schema", name, SCHEMAS)]()
    frame = {"schema": {"const": name}, "schema_version": {"const": SCHEMA_VERSION}}
    described = {
        "$schema": DRAFT,
        "$id": f"urn:grokscope:schema:{name}:{SCHEMA_VERSION}",
        "title": f"Grokscope: {name}, version {SCHEMA_VERSION}",
    }
    framed = [
        {**part, "properties": {**frame, **part["properties"]}, "required": [*frame, *part["required"]]}
        for part in body.get("oneOf", [body])
    ]
    return described | ({"oneOf": framed} if "oneOf" in body else framed[0])


def _memory() -> Schema:
    from interp.language.columns import MEMORY_COLUMNS
    from interp.language.records import VERDICTS, GroupMemory, RemovalPoint
    from interp.language.settings import LanguageSettings

    kinds = {"float": NUMBER, "double": NUMBER, "int": WHOLE, "text": maybe(TEXT)}
    columns: dict[str, Schema] = {name: kinds[column.kind] for name, column in MEMORY_COLUMNS.items()}
    row = exactly({**columns, "verdict": one_of(VERDICTS)}, tuple(columns))
    point = of_fields(RemovalPoint, shared())
    known = ("label", "p_value", "q_value")
    units = exactly(
        {
            "kind": TEXT,
            "total": COUNT,
            "seconds": by_name(NUMBER),
            "notes": ANY,
            "layer": rows(WHOLE),
            "unit": rows(WHOLE),
        }
        | {"label": rows(TEXT), "p_value": rows(SHARE), "q_value": rows(SHARE)}
        | {"scores": by_name(rows(NUMBER)), "exact": by_name(rows(FLAG))},
        known,
    )
    group = of_fields(GroupMemory, shared(), ("scores",), without_best=maybe(point), units=units)
    tokens = {
        "sequence": COUNT,
        "pieces": rows(TEXT),
        "logprob": rows(NUMBER),
        "rank": rows(WHOLE),
        "guessed": rows(FLAG),
    }
    return exactly(
        {
            "checkpoint": TEXT,
            "model": by_name(ANY),
            "settings": of_type(LanguageSettings, {"Path": TEXT}),
            "sequences": each(("total", *VERDICTS), COUNT),
            "memory": rows(row),
            "tokens": rows(exactly(tokens)),
            "groups": rows(group),
            "reading": rows(TEXT),
            "seconds": maybe(by_name(NUMBER)),
            "verdict": rows(TEXT),
            "warnings": rows(TEXT),
            "made_by": MADE_BY,
        }
    )  # fmt: skip


def _dose() -> Schema:
    from interp.measuring.doses import Dose

    own = of_fields(Dose, shared(), ("random", "n_random"))["properties"]
    numbers = rows(SHARE)
    bands = each(("mean", "low", "high"), numbers)
    own |= {"factors": rows({"type": "number"}), "accuracy": each(tuple(SPLITS), maybe(numbers))}
    return exactly({**own, "random_accuracy": each(tuple(SPLITS), maybe(bands)), "random_draws": COUNT})


def _overlap() -> Schema:
    from interp.analysis.example_overlap import ExampleOverlap
    from interp.analysis.overlap import SetOverlap

    return {
        "oneOf": [
            of_fields(SetOverlap, kind={"const": "neurons"}, fold=NUMBER),
            of_fields(ExampleOverlap, kind={"const": "examples"}, common=FLAG),
        ]
    }


def _forgetting_part() -> Schema:
    from interp.analysis.forgetting import ForgettingCheck

    more = {"p_values": by_name(SHARE), "verdict": TEXT, "undecided": rows(TEXT)}
    return of_fields(ForgettingCheck, shared(), **more)


def _unlearning() -> Schema:
    from interp.analysis.unlearning import Unlearning

    own = {**shared(), "Path": TEXT, "ForgettingCheck": _forgetting_part()}
    return of_fields(Unlearning, own)


def _descriptions() -> Schema:
    from interp.analysis.describing import Descriptions

    return of_fields(Descriptions, {"columns": by_name(rows(ANY))}, counts=by_name(COUNT))


def _gamma() -> Schema:
    from interp.analysis.gamma import GammaTransfer

    own = shared()
    kept = of_fields(GammaTransfer, own, ("after", "random", "n_random"))["properties"]
    return exactly({**kept, "accuracy": BY_SPLIT, "random_accuracy": own["random"], "random_draws": COUNT})


def _dynamics() -> Schema:
    parts = {
        "site": TEXT,
        "steps": rows(WHOLE),
        "alignment": by_name(rows(ANY)),
        "neurons": rows(by_name(ANY)),
    }
    return exactly({**parts, **trajectory()})


def _communities() -> Schema:
    network = {
        "step": maybe(WHOLE),
        "site": TEXT,
        "accuracy": SHARE,
        "examples": COUNT,
        "threshold": NUMBER,
    }
    network |= {"modularity": NUMBER, "reason": ANY, "dealt": ANY, "p_value": SHARE, "communities": COUNT}
    network |= {"agreement": maybe(by_name(NUMBER)), "community": rows(WHOLE)}
    final = rows(maybe(by_name(NUMBER)))
    return exactly(
        {"affinity": TEXT, "networks": rows(exactly(network)), "notes": rows(TEXT)}
        | {"agreement_with_final_frequency": final}
    )


def _retention() -> Schema:
    from probes.retention import Decay

    fit: dict[str, Schema] = dict.fromkeys(Decay._fields, NUMBER)
    fit |= {"rivals": by_name(NUMBER), "points": COUNT}
    depth = {"sequences": COUNT, "not_testable": maybe(TEXT), "times": rows(NUMBER), "share": rows(NUMBER)}
    depth |= {**fit, "control": maybe(exactly(fit))}
    texts = dict.fromkeys(("findings", "notes"), rows(TEXT))
    own = {"series": TEXT, "steps": rows(WHOLE), "window": ANY, "sequences": rows(by_name(ANY))}
    by_depth = {"decay": by_name(exactly(depth, tuple(fit))), "log_probability": by_name(rows(rows(NUMBER)))}
    return exactly({**own, **by_depth, **texts, "neurons": maybe(by_name(ANY)), "made_by": MADE_BY})


def _study() -> Schema:
    over = each(("mean", "low", "high"), NUMBER)["properties"] | {"values": rows(NUMBER)}
    own = {"study": TEXT, "settings": by_name(ANY), "seeds": rows(WHOLE), "findings": rows(TEXT)}
    return exactly({**own, "numbers": by_name(maybe(exactly(over))), "records": rows(by_name(ANY))})


def _plot() -> Schema:
    return exactly({"figure": TEXT, "numbers": ANY})


def _doctor() -> Schema:
    from interp.doctor import Check

    states = one_of(("ok", "missing", "broken"))
    return exactly({"usable": FLAG, "checks": rows(of_fields(Check, {"state": states}))})


def _dialects() -> Schema:
    entry = {"name": TEXT, "summary": TEXT, "keys": rows(TEXT), "reference": TEXT}
    return exactly({"dialects": rows(exactly(entry))})


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "audit": audit,
    "memory": _memory,
    "communities": _communities,
    "descriptions": _descriptions,
    "dialects": _dialects,
    "doctor": _doctor,
    "dose": _dose,
    "dynamics": _dynamics,
    "forgetting": _forgetting_part,
    "gamma": _gamma,
    "overlap": _overlap,
    "plot": _plot,
    "retention": _retention,
    "study": _study,
    "unlearning": _unlearning,
}
"""By the name that the JSON states under ``schema``: ``memory`` is the audit of a language model."""
