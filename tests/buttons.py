"""Where the buttons of figures stand on a page."""

from typing import Any

COVERED = """() => {
  const parts = ".infolayer text, .infolayer .colorbar, .infolayer .legend, .menulayer .updatemenu-container, "
    + ".xaxislayer-above, .yaxislayer-above, .plot, .bglayer rect";
  const around = "h1, h2, h3, h4, p, label, figcaption, summary, button, select, table";
  const box = one => one.getBoundingClientRect();
  const shown = one => one.checkVisibility() && box(one).width && box(one).height;
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const outside = [...document.querySelectorAll(around)].filter(one => shown(one) && !one.closest(".js-plotly-plot"));
  const figures = [...document.querySelectorAll(".js-plotly-plot")].filter(shown);
  return figures.map(figure => {
    const bar = figure.querySelector(".modebar");
    const place = bar ? box(bar) : {width: 0, left: -1, right: -1};
    const own = [...figure.querySelectorAll(parts)].filter(shown);
    const met = [...own, ...outside].filter(one => meet(place, box(one)));
    const off = place.left < 0 || place.right > document.documentElement.clientWidth;
    return {name: figure.id || figure.parentElement.id, buttons: place.width, parts: own.length, off,
      covered: met.map(one => `${one.tagName} ${one.getAttribute("class") ?? ""} ${one.textContent.slice(0, 30)}`)};
  });
}"""


def check_buttons(page: Any, at_least: int) -> None:
    """Every figure of a page has buttons, which cover no part of it and nothing around it."""
    figures = page.evaluate(COVERED)
    assert len(figures) >= at_least
    for figure in figures:
        assert figure["buttons"] > 20, figure
        assert figure["parts"] > 3, figure
        assert not figure["off"], figure
        assert figure["covered"] == [], figure
