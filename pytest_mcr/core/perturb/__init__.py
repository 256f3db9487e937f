"""A text as a tree of claims, operators that vary it from mildest to strongest, and what is left of its claim.

`base_context` makes the tree, `apply` changes it, `render` makes a text of it and says what the text still claims. All
of it is a pure function of text, level and seed, the same in every process.
"""

from pytest_mcr.core.perturb.editing import apply, levels_for
from pytest_mcr.core.perturb.guards import check
from pytest_mcr.core.perturb.operators import OPERATORS, Operator
from pytest_mcr.core.perturb.parse import base_context
from pytest_mcr.core.perturb.prompting import render_variant
from pytest_mcr.core.perturb.rendering import render
from pytest_mcr.core.perturb.tree import Claim, Context, Edit, Rendered

__all__ = (
    "OPERATORS",
    "Claim",
    "Context",
    "Edit",
    "Operator",
    "Rendered",
    "apply",
    "base_context",
    "check",
    "levels_for",
    "render",
    "render_variant",
)
