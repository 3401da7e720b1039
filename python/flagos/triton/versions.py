"""The one place that knows which Triton this backend was run on.

Asked when the backend is used, not when it is found: another Triton with a driver of its own goes on working.
"""

from __future__ import annotations

TESTED = ("3.6",)


def check(version: str) -> None:
    """Raises ImportError, in a sentence, for a Triton whose private interfaces are not known to fit."""
    if not version.startswith(tuple(f"{minor}." for minor in TESTED)):
        known = ", ".join(TESTED)
        raise ImportError(
            f"flagos serves Triton {known}, but Triton {version} is installed: its backend interface may differ; "
            f"install triton=={TESTED[-1]}.0"
        )
