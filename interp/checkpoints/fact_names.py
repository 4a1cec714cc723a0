"""Names under which settings state facts of a network and its task."""

from __future__ import annotations

from interp.checkpoints.name_words import CONFIG_WORDS, KIND_WORDS

FACTS: dict[str, tuple[str, ...]] = {
    "activation": (
        "activation", "act_fn", "act_type", "activation_fn", "activation_function", "activation_type", "hidden_act",
        "nonlinearity", "act",
    ),
    "attn_coeff": ("attn_coeff", "attn_coefficient", "attention_coeff", "attention_coefficient"),
    "operation": (
        "operation", "operator", "op", "binary_op", "binary_operation", "binary_operator", "math_operator",
        "math_operation", "math_op", "arithmetic_operation", "modular_operation", "group_operation", "operations",
        "op_name", "op_type", "operation_name", "operation_type", "operator_name", "fn_name", "rule", "funcs", "func",
        "fn", "function", "group", "group_type", "group_name",
    ),
    "task": ("task", "task_name", "task_type", "dataset", "dataset_name", "problem"),
    "modulus": ("p", "P", "C", "modulus", "mod", "prime", "group_parameter"),
}  # fmt: skip
"""The names of a setting, by what it states; `task` may name an operation, and may be anything else."""
GENERAL = frozenset(("func", "fn", "function", "group", "group_type", "group_name", "rule", "act"))
"""Names that a trainer uses for other things too: they count in an object about the task, the data or the network."""
SECTIONS = CONFIG_WORDS | KIND_WORDS | frozenset({
    "task", "tasks", "data", "dataset", "datasets", "problem", "operation", "op", "group", "hyper", "value", "values",
})  # fmt: skip
"""Words of the names of such objects."""
SWITCHES = frozenset(("yes", "no", "on", "off", "true", "false", "none", "null", ""))
