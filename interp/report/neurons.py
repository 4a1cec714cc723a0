"""Single neurons of a report: one is chosen, and its figures, its facts in words and its examples are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from interp import plots
from interp.markup import UNKNOWN, number, percentage
from interp.plots.single import activation_traces, maps_of, spectrum_traces
from interp.report import captions
from interp.report.component_captions import caption
from interp.report.page import CONFIG, data_table, figure_block, prose
from interp.report.parts import Row
from interp.report.wording import plain
from probes.columns import COLUMNS, CYCLES, LOGITS
from probes.labels import LABELS
from probes.parts import Parts

if TYPE_CHECKING:
    from interp.analysis.portrait import Portrait

FACTS_HEADER: Row = ("what", "value", "what it means")
SERVED_HEADER: Row = ("inputs", "kind", "label", "true label", "margin, with it → without it")
KINDS = {"clean": "trained on", "corrupted": "corrupted", "test": "held out", "unknown": "not known"}
EXPLAINED = {
    "neuron", "label", "evidence", "ipr", "p_value", "q_value", "frequency", "frequency_share", "activation_share",
    "activation_frequency", "phase_left", "phase_right", "phase_output", "phase_residual",
}  # fmt: skip
"""Columns that a newcomer is told of in other words than those of `COLUMNS`."""
SCRIPT = """\
(() => {
  const { figures, config } = JSON.parse(document.getElementById("neuron-data").textContent);
  const chooser = document.getElementById("neuron");
  const places = Object.keys(figures).map((id) => document.getElementById(id));
  const layouts = places.map((place) => structuredClone(place.layout));
  const show = () => {
    for (const one of document.querySelectorAll(".portrait")) one.hidden = one.dataset.neuron !== chooser.value;
  };
  chooser.addEventListener("change", () => {
    show();
    places.forEach((place, i) => {
      const traces = figures[place.id][chooser.value];
      place.closest("figure").hidden = !traces;
      if (traces) Plotly.react(place, traces, structuredClone(layouts[i]), config);
    });
  });
  chooser.parentElement.hidden = false;
  show();
})();
"""
"""Shows what is chosen; without it, all facts are there, one neuron after another."""


def facts(portrait: Portrait) -> list[Row]:
    """Facts of a neuron: name, value and meaning, in plain words where there are any; unknown ones are left out.

    Example:
        >>> from interp.analysis.portrait import portrait
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> rows = facts(portrait(analytic_mlp("add", p=31), ModularTask("add", p=31), 4))
        >>> rows[0][:2], "IPR" in [name for name, *_ in rows]
        (('label', 'generalizing'), True)
    """
    values = portrait.values
    parts = portrait.spectrum.parts
    chance = "lie in one component as far" if parts.known else "have a wave as tall"
    corrected = (
        "the same, corrected for the number of neurons looked at: the share of false finds among such values"
    )
    return [
        ("label", portrait.label, parts.worded(LABELS[portrait.label].meaning)),
        ("reason", str(values["evidence"]), "what decided; q is a q-value, see below"),
        *(_periodicity(values, parts) if values.get("frequency") else ()),
        *_known(values, "p_value", "p-value", number, f"how likely random weights {chance}"),
        *_known(values, "q_value", "q-value", number, corrected),
        *_effects(values),
        *_others(values, parts),
    ]


def _known(
    values: Mapping[str, Any], name: str, title: str, show: Callable[[Any], str], meaning: str
) -> Iterator[Row]:
    value = float(values.get(name, np.nan))
    if np.isfinite(value):
        yield title, show(value), meaning


def _periodicity(values: Mapping[str, Any], parts: Parts) -> Iterator[Row]:
    number_of, kind = int(values["frequency"]), "component" if parts.known else "wave"
    strongest = (
        "its strongest one, of the group's functions"
        if parts.known
        else ("so often it rises and falls along the ordering; its strongest wave")
    )
    yield parts.noun, parts.unit(number_of), strongest
    alone = f"how much of the neuron that one {kind} is"
    yield from _known(values, "frequency_share", f"share {parts.within}", percentage, alone)
    if values.get("activation_share") != values.get("frequency_share"):  # equal where weights say nothing
        where = parts.located(int(values.get("activation_frequency", 0)))
        same = f"the same of its activations over all pairs, {where}"
        yield from _known(values, "activation_share", "share in its activations", percentage, same)
    yield from _known(values, "ipr", "IPR", number, f"0: noise; 1: one pure {kind}")
    angled = [
        part for part in ("left", "right", "output") if np.isfinite(values.get(f"phase_{part}", np.nan))
    ]
    if angled:
        angles = ", ".join(f"{values[f'phase_{part}']:.2f}" for part in angled)
        begins = "where in its cycle each wave begins, as an angle (half a turn is 3.14)"
        yield f"phase {', '.join(angled)}", f"{angles} rad", begins
    adds = "phase left + right − output: near 0 if it adds the operands as the rule does"
    yield from _known(values, "phase_residual", "phase residual", lambda angle: f"{angle:.2f} rad", adds)


def _effects(values: Mapping[str, Any]) -> Iterator[Row]:
    """Margins that the neuron adds to examples; to all of them where none are held out or corrupted."""
    falls = "so much their margin falls without it, on average; below 0 it stands in their way"
    kinds = {"test": "held-out", "corrupted_as_labelled": "corrupted", "all": "all"}
    known = [kind for kind in kinds if f"effect_{kind}" in values]
    for kind in [kind for kind in known if kind != "all"] or known:
        title = f"adds to {kinds[kind]} examples"
        yield from _known(values, f"effect_{kind}", title, lambda value: f"{number(value)} {LOGITS}", falls)


def _others(values: Mapping[str, Any], parts: Parts) -> Iterator[Row]:
    """A row for every other column that has a value, in the words of `COLUMNS`."""
    for name, column in COLUMNS.items():
        value = values.get(name)
        if value is None or name in EXPLAINED:
            continue
        shown = number(value) if column.kind in ("float", "double") else str(value)
        named = parts.known and column.unit == CYCLES
        unit = parts.brief(int(value)) if named else f"{shown} {column.unit}".rstrip()
        if shown != UNKNOWN:
            yield parts.worded(column.title), unit, parts.worded(plain(column.meaning))


def served_rows(portrait: Portrait) -> list[Row]:
    """The examples whose margin falls most without a neuron, one row each, in the order of `SERVED_HEADER`."""
    return [
        (
            ", ".join(map(str, one.inputs)) or f"example {one.index}",
            KINDS[one.kind],
            str(one.label),
            str(one.true_label),
            f"{number(one.before)} → {number(one.after)}",
        )
        for one in portrait.served
    ]


def neurons_html(portraits: Mapping[int, Portrait]) -> str:
    """A list to choose a neuron from, its weights and activations as figures, its facts, and its examples."""
    if not portraits:
        return f"<p>{prose(captions.NO_WEIGHTS)}</p>"
    first, chosen = next(iter(portraits.items()))
    weights = {
        n: spectrum_traces(one.spectrum, " weights") for n, one in portraits.items() if one.spectrum.names
    }
    maps = {n: activation_traces(one) for n, one in maps_of(portraits).items()}
    kind = chosen.spectrum.parts
    text = "OUTPUT" if len(chosen.spectrum.names) == 1 else "WEIGHTS"
    shown = "" if chosen.spectrum.order is None else f" {chosen.spectrum.order.sentence}"
    drawn = "Weights and spectra of the chosen neuron"
    named = "Activations of the chosen neuron over all pairs, and their spectrum"
    charts = {
        "weights": (weights, drawn, plots.neuron_weights, caption(text, kind) + shown),
        "activations": (maps, named, plots.neuron_activations, caption("ACTIVATIONS", kind) + shown),
    }
    parts, data = [_chooser(portraits)], {}
    for name, (traces, label, draw, explained) in charts.items():
        if first in traces:
            data[f"plot-{name}"] = traces
            parts.append(figure_block(name, label, draw(chosen), explained))
    if not data:
        parts.append(f"<p>{prose(captions.NO_WEIGHTS)}</p>")
    return "\n".join((*parts, *map(_portrait, portraits.values()), _script(data)))


def _chooser(portraits: Mapping[int, Portrait]) -> str:
    groups: dict[str, list[int]] = {}
    for neuron, portrait in portraits.items():
        groups.setdefault(portrait.label, []).append(neuron)
    options = "".join(
        f'<optgroup label="{escape(label)}">'
        + "".join(f'<option value="{neuron}">neuron {neuron}, {escape(label)}</option>' for neuron in neurons)
        + "</optgroup>"
        for label, neurons in groups.items()
    )
    return (
        f"<p>{prose(captions.NEURONS.format(count=len(portraits)))}</p>\n"
        '<p class="chooser" hidden><label for="neuron">Show</label> '
        f'<select id="neuron" autocomplete="off">{options}</select></p>'
    )


def _portrait(portrait: Portrait) -> str:
    neuron, served = portrait.neuron, served_rows(portrait)
    none = "<p>No example's margin falls without it.</p>"
    table = data_table(captions.SERVED, SERVED_HEADER, served) if served else none
    return (
        f'<article class="portrait" data-neuron="{neuron}" aria-label="Neuron {neuron}">\n'
        f"<h3>Neuron {neuron}, {escape(portrait.label)}</h3>\n"
        f"{data_table(f'What is known of neuron {neuron}', FACTS_HEADER, facts(portrait))}\n{table}\n</article>"
    )


def _script(charts: Mapping[str, Mapping[int, list[Any]]]) -> str:
    """The figures' traces, and what shows them; Plotly's JSON has no character that could end a script."""
    from plotly.graph_objects import Figure
    from plotly.io.json import to_json_plotly

    figures = {
        name: {str(neuron): Figure(data=drawn).to_dict()["data"] for neuron, drawn in traces.items()}
        for name, traces in charts.items()
    }
    held = to_json_plotly({"figures": figures, "config": CONFIG})
    return f'<script type="application/json" id="neuron-data">{held}</script>\n<script>{SCRIPT}</script>'
