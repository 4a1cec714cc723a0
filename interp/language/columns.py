"""Every column of the table of sequences, in one place."""

from __future__ import annotations

from probes.columns import Column

SCORES = "interp.language.token_scores.token_scores"
MEASURED = "interp.language.memory.memory_of"
GENERATED = "interp.language.generation.greedy_runs"
EXPOSURE = "probes.exposure.exposure"
RECALL = "probes.recall.recall_p_values"

MEMORY_COLUMNS: dict[str, Column] = {
    "sequence": Column("sequence", "", "Row of the file, from 0.", "int", MEASURED),
    "group": Column("group", "", "As given.", "text", MEASURED),
    "split": Column("split", "", "As given: trained, held-out or control.", "text", MEASURED),
    "verdict": Column(
        "verdict", "", "Whether it is memorised, as the recalled share decides.", "text", MEASURED
    ),
    "tokens": Column("tokens", "", "Of the continuation.", "int", MEASURED),
    "prompt": Column("prompt", "", "Tokens of the prompt.", "int", MEASURED),
    "accuracy": Column("accuracy", "", "Share of its tokens that are the model's choice.", "float", MEASURED),
    "accuracy_low": Column(
        "accuracy, low", "", "Lower end of its 95 % interval (Wilson).", "float", MEASURED
    ),
    "accuracy_high": Column("accuracy, high", "", "Upper end of the same.", "float", MEASURED),
    "nll": Column("log loss", "nats a token", "Mean negative log probability.", "double", MEASURED),
    "perplexity": Column("perplexity", "", "Its exponential.", "double", MEASURED),
    "rank": Column(
        "median rank", "", "Of the true token among all tokens; 0 is the choice.", "float", MEASURED
    ),
    "verbatim": Column(
        "verbatim", "tokens", "Reproduced from the prompt before the first other one.", "int", MEASURED
    ),
    "extracted": Column("extracted", "", "1: all of it is reproduced from the prompt.", "int", MEASURED),
    "shortest_prompt": Column(
        "shortest prompt",
        "tokens",
        "From which all that follows is reproduced; −1 if none is.",
        "int",
        MEASURED,
    ),
    "longest_run": Column(
        "longest run", "tokens", "Of it in what is generated from the prompt.", "int", GENERATED
    ),
    "guessed": Column("guessed", "", "Share of its tokens that a reference guesses.", "float", MEASURED),
    "unguessed": Column("not guessed", "tokens", "How many no reference guesses.", "int", MEASURED),
    "recalled": Column(
        "recalled", "", "Accuracy on the tokens that no reference guesses.", "float", MEASURED
    ),
    "recalled_low": Column("recalled, low", "", "Lower end of its 95 % interval.", "float", MEASURED),
    "recalled_high": Column("recalled, high", "", "Upper end of the same.", "float", MEASURED),
    "recall_p": Column(
        "p-value of recall", "", "Of a recalled share this high among unseen text.", "double", RECALL
    ),
    "recall_q": Column(
        "q-value of recall", "", "Its false-discovery rate over the sequences.", "double", RECALL
    ),
    "exposure": Column(
        "exposure", "bits", "log2 of how rare a loss this low is among controls.", "float", EXPOSURE
    ),
    "p_value": Column("p-value of the loss", "", "Of a loss this low among controls.", "double", EXPOSURE),
    "q_value": Column(
        "q-value", "", "False-discovery rate of the same over the sequences.", "double", EXPOSURE
    ),
}
"""In the order of the table. Exposure and its p-value are missing where there are no controls."""
