"""A slider that colours the text of a page for another number of removed units, without a network."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from interp.markup import brief_share, number
from interp.report.language_tokens import (
    GAINED,
    LOST,
    MOST_TOKENS,
    before_and_after,
    shown_rows,
    token_opacity,
)

if TYPE_CHECKING:
    from interp.language.records import GroupMemory, LanguageReport, TokenStep

SCRIPT = """\
(() => {
  const area = document.getElementById("text-PLACE");
  const { steps, lost, gained } = JSON.parse(document.getElementById("steps-PLACE").textContent);
  const slider = area.querySelector("input[type=range]");
  const show = () => {
    const step = steps[slider.value];
    area.querySelector("output").textContent = step.label;
    for (const [row, one] of Object.entries(step.rows)) {
      const place = area.querySelector(`[data-row="${row}"]`);
      place.querySelector(".numbers").textContent = one.numbers;
      place.querySelectorAll(".tokens span[title]").forEach((token, i) => {
        const opacity = one.opacity[i];
        token.style.background = opacity ? `rgba(${opacity > 0 ? lost : gained},${Math.abs(opacity) / 100})` : "";
        const after = `→ ${one.after[i]}, rank $1 → ${one.rank[i]}$2`;
        token.title = token.title.replace(/→ \\S+, rank (\\d+) → \\d+(; guessed by a reference)?$/, after);
      });
    }
  };
  slider.addEventListener("input", show);
  slider.closest("p").hidden = false;
})();
"""
"""Shows the step that the slider is at; without it, the page shows the removal that was chosen."""


def slider_html(report: LanguageReport, group: GroupMemory, place: int, text: str) -> str:
    """A group's text with a slider over its steps above it; the text alone where there are fewer than two.

    Args:
        place: Of the group, for ids.
        text: From `interp.report.language_tokens.text_html`.
    """
    if len(group.steps) < 2:
        return text
    steps = sorted(group.steps, key=lambda step: step.n)
    rows = [row for some in shown_rows(report, group) for row in some]
    shown = [
        {"label": _label(group, step), "rows": {row: _row(report, step, row) for row in rows}}
        for step in steps
    ]
    chosen = min(range(len(steps)), key=lambda i: abs(steps[i].n - len(group.removed)))
    held = json.dumps({"steps": shown, "lost": LOST, "gained": GAINED}, allow_nan=False).replace(
        "<", "\\u003c"
    )
    control = (
        f'<p class="chooser" hidden><label>Taken out <input type="range" min="0" max="{len(steps) - 1}" '
        f'value="{chosen}" autocomplete="off"></label> <output>{escape(_label(group, steps[chosen]))}</output></p>'
    )
    data = f'<script type="application/json" id="steps-{place}">{held}</script>'
    script = f"<script>{SCRIPT.replace('PLACE', str(place))}</script>"
    return f'<div id="text-{place}">{control}\n{text}</div>\n{data}\n{script}'


def _label(group: GroupMemory, step: TokenStep) -> str:
    return f"{step.n:,} {group.scores.kind} ({brief_share(step.share)})"


def _row(report: LanguageReport, step: TokenStep, row: int) -> dict[str, Any]:
    without, rank = step.without[row], step.rank_without[row]
    lost = report.logprob[row] - without
    return {
        "opacity": [token_opacity(float(one)) for one in lost[:MOST_TOKENS]],
        "after": [number(one) for one in without[:MOST_TOKENS]],
        "rank": rank[:MOST_TOKENS].tolist(),
        "numbers": before_and_after(report, row, without, rank),
    }
