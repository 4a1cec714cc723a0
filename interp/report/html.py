"""An audit report as one HTML page that needs no network: library, figures and style are inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from interp import plots
from interp.report.markdown import (
    ACCURACY_HEADER,
    NEURON_HEADER,
    REMOVAL_HEADER,
    STRONGEST,
    accuracy_rows,
    frequency_sentence,
    model_sentence,
    neuron_rows,
    provenance,
    removal_rows,
    removals,
    task_sentence,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from interp.audit import AuditReport

STYLE = Path(__file__).with_name("page.css")
CURVE_POINTS = 101
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [["toImage", "resetScale2d"]]}
CLEAR = "rgba(0,0,0,0)"
MODEBAR = {"orientation": "v", "bgcolor": CLEAR, "color": plots.NEUTRAL, "activecolor": plots.NEUTRAL}

# With this the browser itself refuses to fetch anything. Plotly compiles its WebGL code, hence 'unsafe-eval'.
SCRIPTS = "script-src 'unsafe-inline' 'unsafe-eval'"
POLICY = f"default-src 'none'; style-src 'unsafe-inline'; {SCRIPTS}; img-src data: blob:"

FOOTER = "Accuracies are shares of right answers. Effects of single neurons are mean margins, in logit units."
ACCURACY_CAPTION = """\
Each group of bars is one kind of example; higher means more right answers. Grey is the network as it is. If
the other two colours fall on different kinds of examples, different neurons hold the rule and the memories.
“Corrupted” examples were trained on with a label drawn at random: “as labelled” counts answers that repeat
it, “as true” answers that follow the rule instead."""
IPR_CAPTION = """\
A neuron that takes part in the rule repeats itself at regular intervals; IPR measures how regularly, from 0
(noise) to 1 (one pure wave). The dotted outline is what random weights give, scaled to the tallest bar; 1
in 1,000 of them passes the vertical line. Bars far to its right are no accident. A low IPR alone does not
mean that a neuron memorises: the label needs evidence of what the neuron does, shown in the next figure."""
EFFECT_CAPTION = """\
One point is one neuron. To the right: more regular. Up: taking it out hurts examples that the network has
never seen more than the corrupted labels it learnt by heart, so it serves the rule; down: the reverse, so
it serves memory. Two separate clouds mean that different neurons do the two jobs. Touch a point for the
reasons."""
RULE_EFFECT_CAPTION = """\
One point is one neuron. To the right: more regular. Up: it adds more to the right answer, so the network
needs it more. There are no examples here that would show memory separately. Touch a point for the reasons."""
ABLATION_CAPTION = """\
From left to right more and more neurons are taken out, {order}. Solid: the accuracy that is left. Dashed,
with a band: the same number of neurons taken out at random ({draws} draws, 95 % of them inside the band). A
solid line far outside its band means that this order picks neurons of one kind. Touch the legend to show
other examples."""
WEIGHTS_CAPTION = """\
Choose a neuron in the menu. Above: how strongly it reacts to each number on the left and right of the
operation, and which results it votes for. Below: the waves that these weights are made of. One tall bar is
a pure wave, the mark of the rule; many low bars are noise."""
TRAINING_CAPTION = """\
How the network got there. Training accuracy that rises long before test accuracy means that it memorised
first and understood later (grokking); a later fall of the corrupted line means that it unlearnt the
corrupted labels."""


def to_html(report: AuditReport) -> str:
    """The report as one HTML page of about 5 MB, nearly all of it Plotly's library.

    It fetches nothing, is legible from 390 pixels up, follows the reader's light or dark setting, and prints.
    Every figure has a caption in plain words; the main numbers are in tables too.

    Example:
        >>> from interp.audit import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> page = to_html(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> page[:15], "Accuracy before and after" in page
        ('<!DOCTYPE html>', True)
    """
    from plotly.offline import get_plotlyjs

    sections = list(_sections(report))
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in sections)
    body = "\n".join(_section(*section) for section in sections)
    checkpoint = escape(report.checkpoint)
    step = "" if report.step is None else f", step {report.step}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Grokscope report: {checkpoint}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<header>
<h1>Grokscope report</h1>
<p class="path"><code>{checkpoint}</code> ({escape(report.dialect)}{step})</p>
<p>{escape(task_sentence(report))}; {escape(model_sentence(report))}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
<noscript><p class="warnings">The figures need JavaScript; the tables do not.</p></noscript>
{body}
</main>
<footer><p>{FOOTER}</p></footer>
</body>
</html>
"""


def _section(name: str, title: str, content: str) -> str:
    heading = f'<h2 id="{name}-title">{escape(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{heading}\n{content}\n</section>'


def _sections(report: AuditReport) -> Iterator[tuple[str, str, str]]:
    """Id, title and content of each section, in reading order."""
    table = report.table
    yield "verdict", "Verdict", _verdict(report)
    yield "accuracy", "Accuracy before and after", _accuracy(report)
    figure = plots.ipr_histogram(table, report.null_ipr)
    content = _figure("ipr", "Histogram of IPR by label", figure, IPR_CAPTION)
    yield "ipr", "How periodic the neurons are", content
    measured = {"effect_test", "effect_corrupted_as_labelled"} <= set(table)
    caption = EFFECT_CAPTION if measured else RULE_EFFECT_CAPTION
    content = _figure("effect", "IPR against causal effect", plots.neuron_scatter(table), caption)
    yield "effect", "Periodicity against causal effect", content
    yield "ablation", "Taking neurons out one after another", _ablation(report)
    figure = plots.neuron_weights(report.spectra, table)
    content = _figure("weights", "Weights and spectra of a neuron", figure, WEIGHTS_CAPTION)
    yield "weights", "Weights of single neurons", content
    if len(report.history) > 1:
        figure = plots.training_curve(report.history)
        content = _figure("training", "Accuracy and loss over training", figure, TRAINING_CAPTION)
        yield "training", "Training", content
    shown = min(STRONGEST, len(table))
    content = _table(f"The {shown} strongest of {len(table)} neurons", NEURON_HEADER, neuron_rows(report))
    yield "neurons", "The strongest neurons", content
    content = _table("Where these numbers come from", ("what", "value"), provenance(report))
    yield "provenance", "Provenance", content


def _verdict(report: AuditReport) -> str:
    chips = "".join(
        f'<li class="{label}"><strong>{count}</strong> {label}</li>'
        for label, count in report.table.counts().items()
        if label != "total"
    )
    parts = [
        f'<p class="phase">{escape((report.phase.name or "phase cannot be told").capitalize())}</p>',
        f'<ul class="chips" aria-label="Neurons by label">{chips}</ul>',
        _list(report.verdict),
        f"<p>Key frequencies: {escape(frequency_sentence(report))}.</p>",
    ]
    if report.warnings:
        listed = f"<h3>Warnings</h3>{_list(report.warnings)}"
        parts.append(f'<div class="warnings" role="note" aria-label="Warnings">{listed}</div>')
    return "\n".join(parts)


def _accuracy(report: AuditReport) -> str:
    without = ("memorizing", report.without_memorizing), ("generalizing", report.without_generalizing)
    after = {f"without {label}": removal.after for label, removal in without}
    bars = plots.accuracy_bars(report.accuracy, after)
    parts = [
        _figure("accuracy", "Accuracy per kind of example, before and after", bars, ACCURACY_CAPTION),
        _table("Accuracy before and after", ACCURACY_HEADER, accuracy_rows(report)),
    ]
    for label, removal in removals(report):
        caption = (
            f"Without the {removal.removed} {label} neurons, against {removal.n_draws} random sets as large"
        )
        table = _table(caption, REMOVAL_HEADER, removal_rows(removal))
        parts.append(f"<details><summary>{escape(caption)}</summary>{table}</details>")
    return "\n".join(parts)


def _ablation(report: AuditReport) -> str:
    parts = []
    for i, sweep in enumerate(report.sweeps):
        caption = ABLATION_CAPTION.format(order=sweep.order, draws=sweep.n_random)
        figure = plots.ablation_curve(sweep.thinned(CURVE_POINTS))
        name = sweep.order[:1].upper() + sweep.order[1:]
        parts.append(f"<h3>{escape(name)}</h3>")
        parts.append(_figure(f"ablation-{i}", f"Ablation curve, {sweep.order}", figure, caption))
    return "\n".join(parts)


def _figure(name: str, label: str, figure: Figure, caption: str) -> str:
    """A figure with its caption; the page's headings stand in for the figure's own title."""
    figure.update_layout(title=None, paper_bgcolor=CLEAR, margin={"t": 20, "r": 36}, modebar=MODEBAR)
    height = f"{figure.layout.height or figure.layout.template.layout.height}px"
    figure.layout.height = None
    drawn = figure.to_html(
        config=CONFIG, include_plotlyjs=False, full_html=False, div_id=f"plot-{name}", default_height=height
    )
    return (
        f'<figure role="group" aria-label="{escape(label)}" aria-describedby="caption-{name}">\n'
        f'{drawn}\n<figcaption id="caption-{name}">{_text(caption)}</figcaption>\n</figure>'
    )


def _text(sentence: str) -> str:
    """Escaped, with every number kept together with its percent sign."""
    return escape(sentence).replace(" %", "&nbsp;%")


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(sentence)}</li>' for sentence in sentences)}</ul>"


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls sideways on its own where the screen is too narrow for it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(_row(row) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(row: Sequence[str]) -> str:
    first, *others = map(escape, row)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
