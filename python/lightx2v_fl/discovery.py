"""What `import lightx2v_fl` does: registers the plugin, and finds the other plugins where LightX2V does not.

LightX2V of June 2026 and later calls the entry points of the group lightx2v.platform_plugins itself, each time that it
chooses its device. Older ones do not: there, importing this package first calls the entry points of all plugins that
are installed, each once a process.

Remove load_platform_plugins() when LightX2V without the scan (before its commit b07dcbd8) is no longer of interest.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from lightx2v_fl import journal
from lightx2v_fl.registration import register

GROUP = "lightx2v.platform_plugins"

# Entry points that were called, by name and target: the guard that keeps a second scan from registering twice.
_called: set[tuple[str, str]] = set()


def on_import() -> None:
    """Registers this plugin if LightX2V is there; calls the other plugins too if LightX2V has no scan of its own."""
    if find_spec("lightx2v_platform") is None:
        return
    register()
    if not framework_scans():
        load_platform_plugins()


def framework_scans() -> bool:
    """Whether this LightX2V calls the entry points itself. Its source is read, since importing it chooses the
    device.
    """
    package = find_spec("lightx2v_platform")
    places = package.submodule_search_locations if package is not None else None
    sources = [Path(place) / "set_ai_device.py" for place in places or ()]
    return any(GROUP in source.read_text(encoding="utf-8") for source in sources if source.is_file())


def load_platform_plugins() -> list[str]:
    """Calls each plugin's entry point, once a process, and returns the names of those that were called now.

    A plugin that raises does not keep the others from being called: it is told with its error, and counts as called.
    """
    loaded = []
    for point in entry_points(group=GROUP):
        if (point.name, point.value) in _called:
            continue
        _called.add((point.name, point.value))
        if _load(point):
            loaded.append(point.name)
    return loaded


def _load(point: EntryPoint) -> bool:
    try:
        point.load()()
    except Exception as error:  # the code of another package: it may raise anything, and must not end this import
        journal.warning(f"lightx2v_fl: the platform plugin '{point.name}' ({point.value}) failed: {error!r}")
        return False
    return True
