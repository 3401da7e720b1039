"""lightx2v_fl: LightX2V on the device `flagos`. `PLATFORM=flagos python lightx2v/infer.py ...` needs nothing else.

LightX2V finds the plugin by its entry point (group lightx2v.platform_plugins) and calls register(). Where it has no
such scan, `import lightx2v_fl` before `import lightx2v` does the same; LIGHTX2V_FL_AUTO_REGISTER=0 leaves that to a
call of register(). Importing needs neither LightX2V nor FlagGems nor FlagCX; without LightX2V nothing is registered,
and `lightx2v_fl.registration.state()` says so.
"""

from __future__ import annotations

from lightx2v_fl.registration import register
from lightx2v_fl.reporting import report

__all__ = ["register", "report"]


def _on_import() -> None:
    from lightx2v_fl import discovery, settings

    if settings.flag("LIGHTX2V_FL_AUTO_REGISTER"):
        discovery.on_import()


_on_import()
