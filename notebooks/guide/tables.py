"""Write the guide's tables from the data that they show: ``python notebooks/guide/tables.py``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` on a page of the guide or of the notebooks. Its
content is said in the packages (`probes.columns.COLUMNS`, `probes.labels.LABELS`, and so on), never here.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parent
PAGES = (*sorted(GUIDE.glob("*.md")), GUIDE.parent / "README.md")
RESULTS, DIAGRAM = GUIDE.parent / "results", "phase-diagram"
OF_RESULTS = ("generalizing", "memorizing", "both")
"""Labels whose share of the neurons stands in the table of results."""
BLOCK = re.compile(r"(?<=<!-- table: )([\w-]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
FEATURES = "explore", "hosts", "language", "ray"
"""Extras whose packages' licences are listed; the others are for tests, documents and development."""
ACCELERATORS = "cuda-", "nvidia-", "triton"
"""Beginnings of names of what only PyTorch's builds for graphics cards bring along."""
OPENING_PANEL = "What the checkpoint does not say"
LANGUAGE_PANEL = "Of a language model, whose memory is measured"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(header)]
    lines += [["---"] * len(lines[0]), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(name: object) -> str:
    """A name, or a few tokens, as code."""
    return f"`{name}`"


def plain(text: str) -> str:
    """Help as the command line has it, without rich's markup."""
    return re.sub(r"\[/?bold\]", "`", " ".join(text.split()))


def names() -> str:
    """Names that ``interp`` exports, each with the first sentence of its docstring."""
    import interp

    rows = (
        (code(f"interp.{name}"), _sentence(getattr(interp, name)))
        for name in sorted(interp.__all__, key=str.lower)
    )
    return table(("name", "purpose"), rows)


def _sentence(value: object) -> str:
    return re.split(r"(?<=\.)\s", plain(_first(inspect.getdoc(value))))[0].replace("``", "`")


def columns() -> str:
    """Columns of a neuron table."""
    from probes.columns import COLUMNS

    rows = ((code(name), one.title, one.unit, one.over, one.meaning) for name, one in COLUMNS.items())
    return table(("column", "title", "unit", "over", "what it holds"), rows)


def labels() -> str:
    """Labels of neurons."""
    from probes.labels import LABELS

    return table(("label", "rule"), ((f"**{name}**", label.meaning) for name, label in LABELS.items()))


def splits() -> str:
    """Splits of a task's examples."""
    from interp.data.splits import SPLITS

    against = {True: "as trained on", False: "true"}
    rows = ((code(name), one.title, against[one.as_trained], one.meaning) for name, one in SPLITS.items())
    return table(("split", "title", "labels", "which examples"), rows)


def modes() -> str:
    """Modes of intervention."""
    from interp.modes import MODES, spelled_modes

    yes = {True: "yes", False: "no"}
    rows = (
        (code(spelling), mode.help, yes[mode.from_examples], yes[mode.in_weights])
        for spelling, mode in zip(spelled_modes(), MODES.values(), strict=True)
    )
    header = "mode", "effect on the chosen neurons", "needs reference examples", "can be baked into weights"
    return table(header, rows)


def dialects() -> str:
    """Kinds of checkpoint, as ``grokscope dialects`` lists them."""
    from typer.testing import CliRunner

    from interp.cli import app

    done = CliRunner().invoke(app, ["dialects", "--json", "-"], catch_exceptions=False)
    rows = (
        (
            code(one["name"]),
            f"{one['summary']} ({one['reference']})",
            "<br>".join(map(code, _tensors(one["keys"]))),
        )
        for one in json.loads(done.stdout)["dialects"]
    )
    return table(("dialect", "what it holds", "tensors that it is known by"), rows)


def _tensors(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key.split(", optional ")[0] for key in keys))


def studies() -> str:
    """Studies, each with the papers that its own description names."""
    from interp.lab import STUDIES, study_called

    rows = ((code(name), line, _papers(study_called(name).about)) for name, line in STUDIES.items())
    return table(("study", "topic", "arXiv"), rows)


def demonstrations() -> str:
    """Networks with state, each with what its committed demonstration came to."""
    from interp.lab import run_study
    from interp.lab.hosts.host import HOSTS

    rows = []
    for name, line in HOSTS.items():
        folder = RESULTS / "studies" / f"hosts-{name}"
        seeds = sorted(int(file.stem.removeprefix("seed-")) for file in folder.glob("seed-*.json"))
        if seeds:
            result = run_study("hosts", seeds, out=folder, workers=1, show_progress=False, which=name)
            rows.append((code(name), f"{line} {' '.join(result.findings())}"))
    return table(("host", "what its memory holds, and what ablating it costs"), rows)


def _papers(text: str) -> str:
    return ", ".join(dict.fromkeys(re.findall(r"\d{4}\.\d{5}", text)))


def exit_codes() -> str:
    """Exit codes of all commands."""
    from interp.cli.exit_codes import EXIT_CODES

    return table(("code", "meaning"), ((str(number), text) for number, text in EXIT_CODES.items()))


def schemas() -> str:
    """Kinds of JSON, each with the keys at its top."""
    from interp.report.schemas import SCHEMAS, schema_of

    rows = (
        (
            code(name),
            " or ".join(", ".join(map(code, _own_keys(part))) for part in whole.get("oneOf", [whole])),
        )
        for name in SCHEMAS
        for whole in [schema_of(name)]
    )
    return table(("schema", "keys"), rows)


def _own_keys(schema: Any) -> list[str]:
    return [name for name in schema["properties"] if name not in ("schema", "schema_version")]


def commands() -> str:
    """Commands, each with the first paragraph of its help."""
    rows = ((code(f"grokscope {name}"), plain(_first(command.help))) for name, command in _commands())
    return table(("command", "purpose"), rows)


def _commands() -> Iterator[tuple[str, Any]]:
    import typer

    from interp.cli import app

    group: Any = typer.main.get_command(app)
    context = group.context_class(group)
    for name in group.list_commands(context):
        yield name, group.resolve_command(context, [name])[1]


def _first(text: str | None) -> str:
    return (text or "").strip().partition("\n\n")[0]


def opening() -> str:
    """Options that say what a checkpoint does not say of itself."""
    return _options_of_audit(OPENING_PANEL)


def language_options() -> str:
    """Options of an audit of a language model."""
    return _options_of_audit(LANGUAGE_PANEL)


def _options_of_audit(panel: str) -> str:
    audit = dict(_commands())["audit"]
    chosen = [p for p in audit.params if getattr(p, "rich_help_panel", None) == panel]
    return table(("option", "meaning"), ((code(option.opts[0]), plain(option.help)) for option in chosen))


def language_methods() -> str:
    """Methods that rank the neurons of a language model."""
    from interp.language.methods import METHODS

    rows = ((code(name), one.meaning, one.source) for name, one in METHODS.items())
    return table(("method", "what it ranks by", "arXiv"), rows)


def memory_columns() -> str:
    """Columns of a table of sequences."""
    from interp.language.columns import MEMORY_COLUMNS

    rows = ((code(name), one.title, one.unit, one.meaning) for name, one in MEMORY_COLUMNS.items())
    return table(("column", "title", "unit", "what it holds"), rows)


def stored_checkpoints() -> str:
    """Columns of the table with one row a checkpoint, by what they are about."""
    from interp.jobs.columns import CHECKPOINTS, GROUPS

    listed = {group: list[str]() for group in GROUPS}
    for name, one in CHECKPOINTS.items():
        listed[one.group].append(f"{code(name)} ({one.meaning})" if one.meaning else code(name))
    return table(("", "columns"), ((f"**{group}**", ", ".join(names)) for group, names in listed.items()))


def checkpoint_types() -> str:
    """The same columns written out, by type."""
    from interp.jobs.schema import checkpoint_schema

    return _by_type(checkpoint_schema())


def stored_neurons() -> str:
    """Columns of the table with one row a neuron, by type."""
    from interp.jobs.schema import neuron_schema

    return _by_type(neuron_schema())


def stored_sequences() -> str:
    """Columns of the table with one row a sequence, by type."""
    from interp.jobs.schema import sequence_schema

    return _by_type(sequence_schema())


def _by_type(schema: Iterable[Any]) -> str:
    kinds: dict[str, list[str]] = {}
    for field in schema:
        kinds.setdefault(_kind(field.type), []).append(code(field.name))
    return table(("type", "columns"), ((kind, ", ".join(names)) for kind, names in kinds.items()))


def _kind(kind: Any) -> str:
    text = str(kind)
    if text.startswith("dictionary"):
        return "dictionary of string"
    return f"list of {kind.value_type}" if text.startswith("list") else text


def results() -> str:
    """What the runs of each recipe came to, by what was varied; means over the seeds, with the range of labels."""
    header = (
        "recipe",
        "network",
        "runs",
        "ended in",
        "test",
        "corrupted as labelled",
        "as true",
        *OF_RESULTS,
    )
    rows = (
        (file.stem, *row)
        for file in sorted(RESULTS.glob("*.csv"))
        if file.stem != DIAGRAM
        for row in _networks(file)
    )
    return table(header, rows)


def _networks(file: Path) -> Iterator[tuple[str, ...]]:
    """One row for the seeds of each network of a recipe."""
    import pandas

    runs = pandas.read_csv(file, keep_default_na=False)
    settings = [name for name in runs.columns[1 : runs.columns.get_loc("p")] if name != "seed"]
    varied = [name for name in settings if runs[name].nunique() > 1]
    for values, seeds in runs.groupby(varied, sort=False) if varied else [((), runs)]:
        shown = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in zip(varied, values, strict=True)
            if value != ""
        ]
        ended = ", ".join(f"{n} {phase}" for phase, n in seeds["phase"].value_counts().items())
        names = ("accuracy_test", "accuracy_corrupted_as_labelled", "accuracy_corrupted_as_true")
        accuracies = [_percent(pandas.to_numeric(seeds[name])) for name in names]
        labels = [_range(100 * seeds[name] / seeds["neurons"]) for name in OF_RESULTS]
        yield ", ".join(shown).removeprefix("variant "), str(len(seeds)), ended, *accuracies, *labels


def _percent(values: Any) -> str:
    return "–" if values.isna().all() else f"{100 * values.mean():.1f} %"


def _range(values: Any) -> str:
    low, high = round(values.min()), round(values.max())
    return f"{values.mean():.0f} %" + (f" ({low} to {high})" if high > low else "")


def licences() -> str:
    """Packages that are needed to run, directly or through another, with the licence that their metadata states."""
    rows = ((name, _licence(name), code(by)) for name, by in sorted(_needed().items()))
    return table(("package", "licence", "needed by"), rows)


def _needed() -> dict[str, str]:
    """Every package, with the first that needs it: what the project itself needs comes before what that needs."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    by: dict[str, str] = {}
    waiting = [("grokscope", extra) for extra in ("", *FEATURES)]
    for package, extra in waiting:  # it grows: breadth first
        for line in sorted(distribution(package).requires or ()):
            one = Requirement(line)
            name, extras = canonicalize_name(one.name), ("", *sorted(one.extras))
            wanted = one.marker is None or one.marker.evaluate({"extra": extra})
            if wanted and not name.startswith(ACCELERATORS):
                by.setdefault(name, f"{package}[{extra}]" if extra else package)
                waiting += [(name, more) for more in extras if (name, more) not in waiting]
    return by


def _licence(package: str) -> str:
    about = distribution(package).metadata
    names = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if "License ::" in line]
    classified = "; ".join(name for name in names if name != "OSI Approved")
    text = about.get("License", "").strip().partition("\n")[0]
    return about.get("License-Expression") or classified or text or "not stated"


def benchmarks(state: str) -> str:
    """The committed table of benchmarks, as ``tests/benchmarks/all.py`` wrote it, and an idle machine's figure."""
    place, drawn = RESULTS / "benchmarks" / f"{state}.md", GUIDE.parent / "images" / "benchmarks.png"
    if not place.exists():
        return "Not measured.\n"
    picture = "![How many times each limit is kept](../images/benchmarks.png)\n\n"
    return (picture if state == "idle" and drawn.exists() else "") + place.read_text(encoding="utf-8")


TABLES: dict[str, Callable[[], str]] = {
    "names": names,
    "columns": columns,
    "labels": labels,
    "splits": splits,
    "modes": modes,
    "dialects": dialects,
    "studies": studies,
    "demonstrations": demonstrations,
    "commands": commands,
    "schemas": schemas,
    "exit-codes": exit_codes,
    "opening": opening,
    "language-options": language_options,
    "language-methods": language_methods,
    "memory-columns": memory_columns,
    "stored-checkpoints": stored_checkpoints,
    "checkpoint-types": checkpoint_types,
    "stored-neurons": stored_neurons,
    "stored-sequences": stored_sequences,
    "results": results,
    "licences": licences,
    **{f"benchmarks-{state}": partial(benchmarks, state) for state in ("idle", "busy", "cuda")},
}
"""What makes each table, by the name in its marker."""


def filled(page: str) -> str:
    """A page with every table made anew.

    Args:
        page: Markdown.

    Raises:
        KeyError: A marker names no table.
    """
    return BLOCK.sub(lambda block: f"{block[1]}{block[2]}{TABLES[block[1]]()}", page)


def main() -> None:
    """Fill every page of the guide, and the list of recipes."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main()
