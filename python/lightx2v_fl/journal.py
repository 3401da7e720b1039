"""Where the plugin speaks: LightX2V's own log (loguru), which its users look at; Python's logging where that is not
there.
"""

from __future__ import annotations

import logging
import sys

_standard = logging.getLogger("lightx2v_fl")


def info(text: str) -> None:
    """What is worth one line in a run that goes well."""
    _log("INFO", text)


def warning(text: str) -> None:
    """What the user should know: a fall-back, a failure that is met later."""
    _log("WARNING", text)


def _log(level: str, text: str) -> None:
    # LightX2V imports loguru first of all; asking for it where nobody did would add a dependency.
    loguru = sys.modules.get("loguru")
    if loguru is not None:
        loguru.logger.opt(depth=2).log(level, text)
    else:
        _standard.log(getattr(logging, level), text)
