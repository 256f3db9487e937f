"""Placeholders that a user's text quotes are text: also for processors that count them before they look.

transformers marks the control tokens of user text with two private characters, so that they are encoded as text and
not expanded. Its common processor counts placeholders without the marked ones; that of the Qwen Omni families counts
all of them (5.23), and refuses a prompt that quotes one.
"""

from __future__ import annotations

import re
from typing import Any, Final

MARKED: Final = re.compile("\U000f0000.*?\U000f0001")


def count_unmarked(processor: Any) -> Any:
    """Have a processor count the placeholders that its template wrote.

    Args:
        processor: from `AutoProcessor`; changed in place.
    """
    own = getattr(processor, "validate_inputs", None)
    if own is None:
        return processor

    def validate_inputs(*parts: Any, text: Any = None, **given: Any) -> Any:
        if isinstance(text, list) and all(isinstance(one, str) for one in text):
            text = [MARKED.sub("", one) for one in text]
        return own(*parts, text=text, **given)

    processor.validate_inputs = validate_inputs
    return processor
