"""Every kind of report as one document: its name, verdict, counts and sections, before any form is given to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from interp.language.records import LanguageReport
from interp.report import captions
from interp.report.parts import Chip, Document
from interp.report.sections import accuracy_table, parts_sentence, sections
from interp.report.wording import headline, model_sentence, task_sentence
from probes.labels import LABELS

if TYPE_CHECKING:
    from interp.results import AuditReport

    AnyReport: TypeAlias = AuditReport | LanguageReport


def document(report: AnyReport) -> Document:
    """The report of a classifier or a language model as a document."""
    if isinstance(report, LanguageReport):
        from interp.report.language import language_document  # loads all of language models and Arrow

        return language_document(report)
    return _of_classifier(report)


def _of_classifier(report: AuditReport) -> Document:
    step = "" if report.step is None else f", step {report.step}"
    counts = report.table.counts()
    chips = [
        Chip("" if counts[name] is None else str(counts[name]), name, label.colour)
        for name, label in LABELS.items()
    ]
    return Document(
        name=report.checkpoint,
        origin=f"{report.dialect}{step}",
        description=f"{task_sentence(report)}; {model_sentence(report)}",
        headline=headline(report),
        chips=chips,
        chips_label="Neurons by label",
        verdict=report.verdict,
        warnings=report.warnings,
        note=parts_sentence(report),
        summary=accuracy_table(report),
        footer=captions.FOOTER,
        sections=partial(sections, report),
    )
