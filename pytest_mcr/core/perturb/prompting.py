"""How a varied text becomes a prompt; the audio stays first, whatever moves behind it."""

from __future__ import annotations

from pytest_mcr.core.case import Sample
from pytest_mcr.core.perturb.tree import Rendered
from pytest_mcr.core.prompts import Template, render_text


def render_variant(template: Template, sample: Sample, rendered: Rendered) -> str:
    """The user turn of a sample with a varied text in its text line.

    Position and order of the options are the rendered text's own. A base text without any edit gives the prompt of its
    case, byte for byte.

    Args:
        template: the run's template; a sample with complete texts is always rendered ``raw``.
        sample: the sample to ask about.
        rendered: the varied text.
    """
    return render_text(
        template,
        sample,
        rendered.text,
        after_question=rendered.position == "after",
        candidates=rendered.candidates or None,
    )
