"""A page for each study: its question and method, its settings, and what came of the committed runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any

import tables
from site_pages import commands
from site_pages.repository import ROOT, Page

from interp.lab import STUDIES, StudyResult, run_study, study_called
from interp.markup import html_table
from interp.report.page import CONFIG, MODEBAR

RESULTS = ROOT / "notebooks" / "results" / "studies"


def pages() -> list[Page]:
    """A page for each study, and an index."""
    stored = _folders()
    made = [Page(f"{name}.md", name, _page(name, stored.get(name, []))) for name in STUDIES]
    header = "study", "topic", "arXiv", "seeds"
    rows = (
        (
            f"[{name}]({name}.md)",
            line,
            _linked(tables._papers(study_called(name).about)),
            _seeds(stored.get(name, [])),
        )
        for name, line in STUDIES.items()
    )
    index = (
        "# Studies\n\nA study is an instrument of a neighbouring paper, run on its smallest real "
        f"experiment, beside its controls. [Instruments](../studies.md) says how to run them.\n\n"
        f"{tables.table(header, rows)}"
    )
    return [Page("index.md", "Overview", index), *made]


def _folders() -> dict[str, list[Path]]:
    """Folders of committed results by study, that of the study's own name first."""
    folders: dict[str, list[Path]] = {}
    for folder in sorted(RESULTS.iterdir()):
        folders.setdefault(_first(folder)["study"], []).append(folder)
    return folders


def _first(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "seed-0.json").read_text(encoding="utf-8"))


def _seeds(folders: list[Path]) -> str:
    return ", ".join(dict.fromkeys(str(len(list(folder.glob("seed-*.json")))) for folder in folders))


def _page(name: str, folders: list[Path]) -> str:
    study = study_called(name)
    parts = [
        f"# {study.title}",
        f"`grokscope study {name}` · {escape(STUDIES[name], quote=False)}",
        _linked(escape(study.about, quote=False)),
        *(part for folder in folders for part in _run(folder, len(folders) > 1)),
        f"## Settings\n\n{tables.table(('setting', 'default', 'meaning', 'values'), _settings(study))}",
    ]
    if study.choices:
        rows = ((tables.code(choice), line) for choice, line in study.choices.items())
        parts.append(f"## Choices of `--which`\n\n{tables.table(('choice', 'meaning'), rows)}")
    if study.quantities:
        rows = ((tables.code(quantity), words) for quantity, words in study.quantities.items())
        parts.append(
            f"## Quantities\n\nAs results name them in JSON.\n\n{tables.table(('name', 'meaning'), rows)}"
        )
    group = dict(tables._commands())["study"]
    command = group.resolve_command(group.context_class(group), [name])[1]
    text = commands.described(f"grokscope study {name}", command, within=True)
    return "\n\n".join([*parts, f"## Command\n\n{text}"])


def _settings(study: Any) -> Iterator[tuple[str, str, str, str]]:
    for one in fields(study.config):
        interval = one.metadata["interval"]
        numeric = isinstance(one.default, (int, float)) and not isinstance(one.default, bool)
        bounded = numeric and interval != "[-inf, inf]"
        shown = tables.code(one.default) if one.default != "" else ""
        yield tables.code(one.name), shown, commands.marked(one.metadata["help"]), interval if bounded else ""


def _run(folder: Path, named: bool) -> Iterator[str]:
    """A folder of committed results: command, findings, table and figure."""
    seeds = sorted(int(file.stem.removeprefix("seed-")) for file in folder.glob("seed-*.json"))
    first = _first(folder)
    result = run_study(first["study"], seeds, out=folder, workers=1, show_progress=False, **first["settings"])
    heading = "Results" + f": {folder.name}" * named
    yield f"## {heading}"
    yield f"Over {len(seeds)} seeds; intervals are of the mean, at 95 %. Measured with\n\n```sh\n{_again(result)}\n```"
    yield "\n".join(f"- {_linked(escape(sentence, quote=False))}" for sentence in result.findings())
    yield _drawn(result, folder.name)
    yield html_table(f"{result.study.title}, {len(seeds)} seeds", *result.table())


def _again(result: StudyResult) -> str:
    """The command that measures the same again."""
    words = ["grokscope", "study", result.study.name, "--seeds", str(len(result.seeds))]
    for one in fields(result.config):
        value = getattr(result.config, one.name)
        if value != one.default:
            words += [f"--{one.name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _drawn(result: StudyResult, name: str) -> str:
    """The figure's data, which ``figures.js`` draws."""
    figure = result.plot()
    height = figure.layout.height or figure.layout.template.layout.height or 450
    figure.update_layout(title=None, margin={"t": 40, "r": 36}, modebar=MODEBAR)
    drawn = json.loads(figure.to_json()) | {"config": CONFIG}
    data = json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    return (
        f'<div class="study-figure" id="figure-{name}" role="img" aria-label="{escape(result.study.title)}" '
        f'style="--height: {height}px"><div></div><script type="application/json">{data}</script></div>'
    )


def _linked(text: str) -> str:
    """Numbers of papers as links to them."""
    return re.sub(r"\b(\d{4}\.\d{5})\b", r"[\1](https://arxiv.org/abs/\1)", text)
