"""Text of sequences, each token coloured by what it loses without some neurons."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from interp.markup import number, percentage
from interp.report.language_captions import TEXT
from interp.report.page import prose
from interp.terminal import printable

if TYPE_CHECKING:
    from interp.language.records import GroupMemory, LanguageReport

SCALE = 4.0
"""Nats that the strongest colour stands for."""
SCALE_STEPS = (-SCALE, -SCALE / 2, SCALE / 4, SCALE / 2, SCALE)
LOST, GAINED, STRONGEST = "213,94,0", "0,114,178", 0.62
MOST_SEQUENCES, MOST_OTHERS, MOST_TOKENS = 40, 6, 600
"""Memorised sequences and other ones that a page shows of a group, and tokens of each; more are counted."""


def token_opacity(lost: float) -> int:
    """Hundredths of opacity for a token that loses so many nats, negative if it gains them; 0 if it hardly changes.

    Example:
        >>> token_opacity(4.0), token_opacity(-2.0), token_opacity(float("nan"))
        (62, -31, 0)
    """
    return 0 if np.isnan(lost) else round(100 * STRONGEST * max(-1.0, min(1.0, lost / SCALE)))


def token_colour(lost: float) -> str:
    """The background of a token that loses so many nats; empty if it hardly changes.

    Example:
        >>> token_colour(4.0), token_colour(0.01), token_colour(-2.0)
        ('rgba(213,94,0,0.62)', '', 'rgba(0,114,178,0.31)')
    """
    opacity = token_opacity(lost)
    return f"rgba({LOST if opacity > 0 else GAINED},{abs(opacity) / 100:.2f})" if opacity else ""


def token_title(piece: str, logprob: tuple[float, float], rank: tuple[int, int], guessed: bool) -> str:
    """The numbers of a token before and after, as its tooltip says them.

    Example:
        >>> token_title(" sea", (-0.1, -3.25), (0, 17), True)
        '“ sea”: log probability -0.1 → -3.25, rank 0 → 17; guessed by a reference'
    """
    more = "; guessed by a reference" if guessed else ""
    before, after = map(number, logprob)
    text = printable(piece.replace("\n", "⏎"))
    return f"“{text}”: log probability {before} → {after}, rank {rank[0]} → {rank[1]}{more}"


def prompt_text(report: LanguageReport, row: int) -> str:
    """The prompt of a sequence: its text before the continuation, or its token numbers where that is not known.

    Of a text that the pieces do not end, all that is known of the prompt is its length.
    """
    sequences = report.sequences
    text, ending = sequences.text[row], "".join(report.pieces[row])
    if text is not None and ending and text.endswith(ending):
        return text[: len(text) - len(ending)]
    if text is None:
        return "".join(f"{token} " for token in sequences.ids[row][: sequences.prompt[row]].tolist())
    return f"[a prompt of {sequences.prompt[row]} tokens] "


def accuracy_of(rank: Int[np.ndarray, " token"]) -> float:
    """Share of tokens that are the model's choice."""
    return float((rank == 0).mean())


def lost_by(report: LanguageReport, group: GroupMemory, row: int) -> Float[np.ndarray, " token"]:
    """Log probability that each token of a continuation loses without a group's removed neurons."""
    return report.logprob[row] - group.without[row]


def shown_rows(report: LanguageReport, group: GroupMemory) -> tuple[list[int], list[int]]:
    """Rows that a page shows: the group's, those that lose most first, and some other ones."""
    mean = {row: float(lost_by(report, group, row).mean()) for row in group.rows.tolist()}
    memorised = sorted(mean, key=lambda row: -mean[row])
    return memorised[:MOST_SEQUENCES], _others(report, group)[:MOST_OTHERS]


def text_html(report: LanguageReport, group: GroupMemory) -> str:
    """A group's memorised sequences, those that lose most first, and some other ones, folded."""
    memorised, others = shown_rows(report, group)
    blocks = [_sequence(report, group, row) for row in memorised]
    if (left := len(group.rows) - len(memorised)) > 0:
        blocks.append(f"<p>{left} more memorised sequences, which lose less, are in the JSON.</p>")
    if others:
        shown = "".join(_sequence(report, group, row) for row in others)
        total = len(report.memory) - len(group.rows)
        some = f" ({len(others)} of {total})" if len(others) < total else ""
        summary = f"Sequences that these neurons were not chosen for{some}"
        blocks.append(f"<details><summary>{escape(summary)}</summary>{shown}</details>")
    kind = group.scores.kind
    caption = TEXT.format(n=len(group.removed), kind=kind, scale=SCALE)
    return f"<p>{prose(caption)}</p>\n{_legend()}\n" + "\n".join(blocks)


def _others(report: LanguageReport, group: GroupMemory) -> list[int]:
    """Rows of other sequences: of each verdict and split in turn."""
    own = set(group.rows.tolist())
    kinds: dict[tuple[str, str | None], list[int]] = {}
    for row in range(len(report.memory)):
        if row not in own:
            kind = str(report.memory["verdict"][row]), report.sequences.split[row]
            kinds.setdefault(kind, []).append(row)
    turns = [(turn, place, row) for place, rows in enumerate(kinds.values()) for turn, row in enumerate(rows)]
    return [row for *_, row in sorted(turns)]


def _legend() -> str:
    swatches = "".join(
        f'<span style="background:{token_colour(step)}">{step:+g}</span>' for step in SCALE_STEPS
    )
    return f'<p class="scale">Nats lost: {swatches} <span class="guessed">guessed</span></p>'


def _sequence(report: LanguageReport, group: GroupMemory, row: int) -> str:
    named = [report.sequences.group[row], report.sequences.split[row], str(report.memory["verdict"][row])]
    kind = printable(", ".join(str(one) for one in named if one))
    numbers = before_and_after(report, row, group.without[row], group.rank_without[row])
    heading = f'{prose(f"Sequence {row} ({kind}): ")}<span class="numbers">{prose(numbers)}</span>'
    prompt = f'<span class="prompt">{escape(printable(prompt_text(report, row)))}</span>'
    tokens = "".join(_tokens(report, group, row))
    left = len(report.pieces[row]) - MOST_TOKENS
    more = f"<em> … and {left:,} more tokens</em>" if left > 0 else ""
    text = f'<p class="tokens">{prompt}{tokens}{more}</p>'
    return f'<div class="sequence" data-row="{row}"><h4>{heading}</h4>{text}</div>'


def before_and_after(
    report: LanguageReport, row: int, without: Float[np.ndarray, " token"], rank: Int[np.ndarray, " token"]
) -> str:
    """Accuracy and log loss of a sequence with all units and without some, in words."""
    accuracy = percentage(accuracy_of(report.rank[row])), percentage(accuracy_of(rank))
    losses = number(-float(report.logprob[row].mean())), number(-float(without.mean()))
    return f"accuracy {' → '.join(accuracy)}, log loss {' → '.join(losses)}"


def _tokens(report: LanguageReport, group: GroupMemory, row: int) -> Iterator[str]:
    lost = lost_by(report, group, row)
    for place, piece in enumerate(report.pieces[row][:MOST_TOKENS]):
        guessed = bool(report.guessed[row][place])
        logprob = float(report.logprob[row][place]), float(group.without[row][place])
        rank = int(report.rank[row][place]), int(group.rank_without[row][place])
        title = escape(token_title(piece, logprob, rank, guessed))
        colour = token_colour(float(lost[place]))
        style = f' style="background:{colour}"' if colour else ""
        marked = ' class="guessed"' if guessed else ""
        yield f'<span{marked}{style} title="{title}">{escape(printable(piece))}</span>'
