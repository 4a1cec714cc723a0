"""Pages: one HTML file each that needs no network, with library, figures and style inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from interp.markup import Link, html_table
from interp.plots.canvas import NEUTRAL
from interp.report import captions

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

STYLE = Path(__file__).with_name("page.css")
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [["toImage", "resetScale2d"]]}
CLEAR = "rgba(0,0,0,0)"
MODEBAR = {"orientation": "h", "bgcolor": CLEAR, "color": NEUTRAL, "activecolor": NEUTRAL}

# Figures keep the size that they were drawn at; on paper they are shrunk to the width and height of a page.
PRINTING = """\
addEventListener("beforeprint", () => {
  for (const box of document.querySelectorAll("figure > div")) {
    const fits = Math.min(700 / box.offsetWidth, 820 / box.offsetHeight);
    if (isFinite(fits)) box.style.setProperty("--zoom", fits);
  }
});
"""

# With this the browser itself refuses to fetch anything. Plotly compiles its WebGL code, hence 'unsafe-eval'.
SCRIPTS = "script-src 'unsafe-inline' 'unsafe-eval'"
POLICY = f"default-src 'none'; style-src 'unsafe-inline'; {SCRIPTS}; img-src data: blob:"


def page(
    title: str,
    subject: str,
    header: str,
    sections: Iterable[tuple[str, str, str]],
    footer: str = captions.FOOTER,
) -> str:
    """A page of sections (id, title and HTML each) with links to them, below a heading and HTML of its own."""
    from plotly.offline import get_plotlyjs

    sections = list(sections)
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in sections)
    body = "\n".join(_section(*section) for section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}: {escape(subject)}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
<script>{get_plotlyjs()}</script>
<script>{PRINTING}</script>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{header}
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
<noscript><p class="warnings">The figures need JavaScript; the tables do not.</p></noscript>
{body}
</main>
<footer><p>{escape(footer)}</p></footer>
</body>
</html>
"""


def _section(name: str, title: str, content: str) -> str:
    heading = f'<h2 id="{name}-title">{escape(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{heading}\n{content}\n</section>'


def figure_block(name: str, label: str, figure: Figure, caption: str) -> str:
    """A figure with its caption; the page's headings stand in for the figure's own title."""
    figure.update_layout(title=None, paper_bgcolor=CLEAR, margin={"t": 16}, modebar=MODEBAR)
    height = f"{figure.layout.height or figure.layout.template.layout.height}px"
    figure.layout.height = figure.layout.template.layout.height = None  # or the page could not resize it
    drawn = figure.to_html(
        config=CONFIG,
        include_plotlyjs=False,
        auto_play=False,
        full_html=False,
        div_id=f"plot-{name}",
        default_height=height,
    )
    return (
        f'<figure role="group" aria-label="{escape(label)}" aria-describedby="caption-{name}">\n'
        f'{drawn}\n<figcaption id="caption-{name}">{prose(caption)}</figcaption>\n</figure>'
    )


def prose(sentence: str) -> str:
    """Escaped, with every number kept together with its percent sign."""
    return escape(sentence).replace(" %", "&nbsp;%")


def bullets(sentences: Iterable[str]) -> str:
    """Sentences as a list."""
    return f"<ul>{''.join(f'<li>{prose(sentence)}</li>' for sentence in sentences)}</ul>"


def data_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str | Link]]) -> str:
    """A table that scrolls sideways on its own where the screen is too narrow for it; every cell is escaped."""
    table = html_table(caption, header, rows)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">{table}</div>'
