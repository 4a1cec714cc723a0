"""Pages of the commands, made of the program's own definitions: usage, arguments, options, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

import tables
from rich.text import Text
from site_pages.repository import Page, wide

OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
OTHERS = "Options"
"""The heading of those that the command's own help puts in no panel."""


def pages() -> list[Page]:
    """A page for each command, and an index."""
    made = [
        Page(f"{name}.md", name, f"# grokscope {name}\n\n{described(f'grokscope {name}', command)}")
        for name, command in tables._commands()
    ]
    rows = ((f"[`grokscope {page.title}`]({page.name})", _first_line(page)) for page in made)
    listed = tables.table(("command", "purpose"), rows)
    index = f"# Commands\n\nEvery command also explains itself with `--help`.\n\n{listed}"
    return [Page("index.md", "Overview", index), *made]


def _first_line(page: Page) -> str:
    return page.text.split("\n\n")[1]


def described(name: str, command: Any, *, within: bool = False) -> str:
    """A command as Markdown: its help, usage, a table of arguments, one of options for each panel, and examples.

    Args:
        name: As it is typed.
        command: Of Click.
        within: Whether it stands below a heading of the second level.
    """
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    below = "###" if within else "##"
    parts = [] if within else [marked(command.help)]
    parts.append(f"```text\n{usage}\n```")
    for heading, rows in _panels(command, context).items():
        parts.append(f"{below} {heading}\n\n{wide(tables.table(('', 'meaning', 'default and range'), rows))}")
    if hasattr(command, "list_commands"):
        parts += _subcommands(command, context)
    if examples := list(_examples(command.epilog)):
        parts.append(f"{below} Examples\n\n```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts) + "\n"


def _panels(command: Any, context: Any) -> dict[str, list[tuple[str, str, str]]]:
    panels: dict[str, list[tuple[str, str, str]]] = {}
    for param in command.get_params(context):
        if (record := param.get_help_record(context)) is not None:
            panel = getattr(param, "rich_help_panel", None) or OTHERS
            heading = "Arguments" if param.param_type_name == "argument" else panel
            meaning, _, extra = record[1].partition("  [")
            panels.setdefault(heading, []).append(
                (tables.code(record[0]), marked(meaning), escape(extra.removesuffix("]")))
            )
    order = sorted(
        panels,
        key=lambda heading: ("Arguments", OTHERS).index(heading) if heading in ("Arguments", OTHERS) else 2,
    )
    return {heading: panels[heading] for heading in order}


def _subcommands(command: Any, context: Any) -> Iterator[str]:
    rows = (
        (
            f"[`{name}`](../../studies/{name}.md)",
            escape(command.get_command(context, name).get_short_help_str(300)),
        )
        for name in command.list_commands(context)
    )
    yield f"## Studies\n\n{tables.table(('study', 'topic'), rows)}"


def _examples(epilog: str | None) -> Iterator[str]:
    lines = Text.from_markup(epilog or "").plain.splitlines()
    return (line.strip() for line in lines if line.startswith("  "))


def marked(text: str | None) -> str:
    """Help with rich's markup as Markdown: options, and names in bold, are code; the rest is escaped."""
    styled = Text.from_markup((text or "").strip())
    pieces, end = [], 0
    bold = [(span.start, span.end) for span in styled.spans if "bold" in str(span.style)]
    options = [match.span() for match in OPTION.finditer(styled.plain)]
    for start, stop in sorted({*bold, *options}):
        if start >= end:
            pieces += [_escaped(styled.plain[end:start]), tables.code(styled.plain[start:stop])]
            end = stop
    return "".join([*pieces, _escaped(styled.plain[end:])])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]`])", r"\\\1", escape(text, quote=False))
