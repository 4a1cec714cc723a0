"""Memory of strings and of facts over time: exposures, interference, order, and the neurons that keep it."""

from __future__ import annotations

from dataclasses import dataclass

from interp.lab.retention.exposures import (
    QUANTITIES,
    ExposureSettings,
    exposed_strings,
    exposure_updates,
)
from interp.lab.retention.figure import retention_figure
from interp.lab.retention.findings import sentences
from interp.lab.retention.injection import QUANTITIES as INJECTED
from interp.lab.retention.injection import (
    InjectionSettings,
    injected_facts,
    injection_updates,
)
from interp.lab.retention.injection import sentences as injected_sentences
from interp.lab.study import Record, Study, StudyResult
from interp.progress import Report, shifted


@dataclass(frozen=True)
class Config(InjectionSettings, ExposureSettings):
    """Sizes of both experiments: strings that are exposed, and facts that are injected."""


def measure(config: Config, seed: int, report: Report) -> Record:
    """Strings that are exposed, then facts that are injected into another network."""
    numbers, curves = exposed_strings(config, seed, report)
    facts = shifted(report, exposure_updates(config), "facts")
    more, shown = injected_facts(config, seed, facts)
    return Record({**numbers, **more}, {**curves, **shown})


def judge(result: StudyResult) -> list[str]:
    """Sentences on strings, then on facts."""
    return [*sentences(result), *injected_sentences(result)]


STUDY = Study(
    name="retention",
    title="Retention: strings after few exposures, and injected facts over time",
    about=(
        "How many exposures does a memory need, how long does it last, and is it recognised before it can be recalled? "
        "After the idea of recognition, recall and retention of few-shot memories in large language models, of which "
        "the source reports that one exposure is enough to recognise a string nearly perfectly, that about three are "
        "for recall, and that recall decays steeply in the first ten updates on other text while recognition does not. "
        "Here a small transformer first learns a random language. Then strings of the language are exposed: each "
        "exposure is one update on all of them. A string is recognised if its log loss is below that of a string "
        "never shown; it is recalled as far as it is completed from its first five tokens. As chance is one half for "
        "the one, and for the other what the same network completes of strings never shown, both are also given as "
        "shares of what chance leaves, and recall is made a choice between two strings as well. Then updates on new "
        "strings interfere. Control strings are measured like the others and never shown. "
        "Order, after the idea of sequence order recall: the language contains questions that list two segments of a "
        "string in their order, with the string before them or not. Which order is likelier answers a question, in "
        "context, of strings that were trained only, and of strings never trained; a linear probe on hidden states, "
        "fitted on half of the strings and measured on the others, is asked the same. At last, a tenth of the neurons "
        "is taken out: those with the strongest evidence of memorizing, and those with the largest effect along the "
        "path of forgetting, chosen by half of the strings and measured on the other half, against as many random ones."
    ),
    config=Config,
    measure=measure,
    units=lambda config: exposure_updates(config) + injection_updates(config),
    quantities=QUANTITIES | INJECTED,
    judge=judge,
    draw=retention_figure,
)
