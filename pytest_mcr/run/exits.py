"""Exit codes of a session; 1 to 5 mean what pytest means by them."""

from __future__ import annotations

from typing import Final

from pytest_mcr.errors import UsageError

OK_EXIT: Final = 0
FAILED_EXIT: Final = 1
"""A gate failed or is undecided, or a case had an error."""
INTERRUPTED_EXIT: Final = 2
USAGE_EXIT: Final = UsageError.exit_code
"""A bad option, dataset or model."""
INVALID_EXIT: Final = 8
"""What was measured cannot be trusted, or only a part was measured under a profile that gates."""
