"""The sections of a report on a language model's memory, described once; every form of it is made from them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from interp.language.records import MEMORISED, VERDICTS, GroupMemory, LanguageReport
from interp.language.sites import NEURONS
from interp.markup import percentage
from interp.plots.language import (
    COLOURS,
    dose_curves,
    memory_scatter,
    method_tradeoff,
    relearning_lines,
    removal_curves,
    units_by_layer,
)
from interp.report import language_captions as captions
from interp.report import language_tables as tables
from interp.report.language_slider import slider_html
from interp.report.language_tokens import text_html
from interp.report.parts import (
    FORMS,
    HTML,
    MARKDOWN,
    Bullets,
    Chart,
    Chip,
    Definitions,
    Document,
    Markup,
    Part,
    Section,
    Text,
)
from interp.terminal import printable


def language_document(report: LanguageReport) -> Document:
    """The report as a document."""
    counts = {verdict: report.memory.count(verdict) for verdict in VERDICTS}
    total = len(report.memory)
    return Document(
        name=report.checkpoint,
        origin=f"through {report.model.get('via') or 'its own hook points'}",
        description=model_sentence(report),
        headline=f"{counts[MEMORISED]:,} of {total:,} sequences {'is' if counts[MEMORISED] == 1 else 'are'} memorised",
        chips=[Chip(str(count), verdict, COLOURS[verdict]) for verdict, count in counts.items()],
        chips_label="Sequences by verdict",
        verdict=report.verdict,
        warnings=report.warnings,
        note="",
        summary=tables.memory_table(report),
        footer=captions.FOOTER,
        sections=partial(language_sections, report),
    )


def model_sentence(report: LanguageReport) -> str:
    """The network in words."""
    model = report.model
    sizes = [
        f"{model[name]:,} {word}"
        for name, word in (
            ("layers", "layers"),
            ("neurons", NEURONS),
            ("heads", "heads"),
            ("parameters", "parameters"),
        )
        if isinstance(model.get(name), int)
    ]
    vocabulary = f", vocabulary {model['vocab']:,}" if isinstance(model.get("vocab"), int) else ""
    return f"{model.get('kind', 'a language model')}: {', '.join(sizes)}{vocabulary}"


def language_sections(report: LanguageReport) -> Iterator[Section]:
    """All sections but the verdict, in reading order."""
    if report.notes:
        yield Section("reading", "How it was read", [Bullets(report.notes)], forms=FORMS)
    scatter = Chart(
        "memory",
        "Guessed and recalled share of every sequence",
        partial(memory_scatter, report),
        captions.SCATTER,
    )
    yield Section("memory", "Memory by sequence", [scatter, tables.memory_table(report)], forms=FORMS)
    for place, group in enumerate(report.groups):
        yield from _group(report, group, place)
    yield Section("provenance", "Provenance", [tables.provenance_table(report)])
    yield Section("words", "Words", [Definitions(captions.words())])


def _group(report: LanguageReport, group: GroupMemory, place: int) -> Iterator[Section]:
    """Everything that is known of a group's memory; a page shows it below one heading."""
    within, title = f"group-{place}", f"Where the memory of {_quoted(group)} is"
    split = captions.CROSSFITTED if group.crossfitted else captions.NOT_CROSSFITTED
    kind = group.scores.kind
    first: list[Part] = [
        Bullets(group.verdict),
        Text(split.format(kind=kind).replace("\n", " ")),
        *(
            [Text(captions.NONE_BEST.format(kind=kind).replace("\n", " "), FORMS)]
            if group.best is None
            else []
        ),
    ]
    yield Section(within, title, first, forms=FORMS)

    def part(name: str, heading: str, *parts: Part, forms: tuple[str, ...] = FORMS) -> Section:
        shown = [Markup(lambda: f"<h3>{heading}</h3>"), *parts]
        return Section(
            f"{name}-{place}", f"{heading}, {printable(group.title)}", shown, forms=forms, within=within
        )

    if len(group.removed):
        text = Markup(lambda: slider_html(report, group, place, text_html(report, group)))
        yield part(
            "text",
            f"The text without them ({len(group.removed)} {kind})",
            text,
            tables.token_table(report, group),
        )
    else:
        yield part("text", "The text", Text(captions.NOT_COLOURED))
    layers = Chart(
        f"layers-{place}", f"{kind.capitalize()} by layer", partial(units_by_layer, group),
        captions.LAYERS.format(kind=kind),
    )  # fmt: skip
    yield part("layers", "Where they are", layers)
    if group.curves:
        yield part("removal", "Taking them out", *_removal(group, place))
    if group.doses:
        caption = captions.DOSES.format(n=len(group.removed), kind=kind)
        doses = Chart(
            f"doses-{place}", "Accuracy and perplexity by factor", partial(dose_curves, group), caption
        )
        yield part("doses", "Rescaling them", doses, tables.dose_table(group))
    if len(group.scores.scores) > 1:
        explained = Text(captions.CORRELATIONS.format(kind=kind))
        yield part("methods", "Methods against each other", explained, tables.correlation_table(group),
                   forms=(HTML, MARKDOWN))  # fmt: skip
    if group.scores.scores:
        yield part("units", f"The top {kind}", tables.unit_table(group), forms=(HTML, MARKDOWN))
    if group.scores.notes:
        yield part("scored", "Notes on the scores", Bullets(group.scores.notes))
    if group.relearning is not None:
        yield part("relearning", "Is it gone?", *_relearning(group, place))


def _quoted(group: GroupMemory) -> str:
    return group.title if group.group is None else f"“{printable(group.title)}”"


def _removal(group: GroupMemory, place: int) -> Iterator[Part]:
    kind = group.scores.kind
    yield Chart(
        f"removal-{place}", "Accuracy and perplexity by share taken out", partial(removal_curves, group),
        captions.CURVES.format(kind=kind),
    )  # fmt: skip
    if len(group.curves) > 1:
        yield Chart(
            f"tradeoff-{place}",
            "Memory left against harm",
            partial(method_tradeoff, group),
            captions.TRADEOFF,
        )
    yield tables.removal_table(group)


def _relearning(group: GroupMemory, place: int) -> Iterator[Part]:
    relearning = group.relearning or {}
    steps = {name: relearning.get(name) for name in ("removed", "unseen")}
    removed, unseen = (
        "not reached" if one is None else f"reached after {one} steps" for one in steps.values()
    )
    level = percentage(relearning.get("level"))
    others = relearning["accuracy"]["unseen"]
    compared = f", and {unseen} by as many sequences that were never trained on" if others else ""
    yield Text(f"An accuracy of {level} is {removed} by what was taken out{compared}.", FORMS)
    draw = partial(relearning_lines, group)
    yield Chart(f"relearning-{place}", "Accuracy while it is learnt again", draw, captions.RELEARNING)
