"""The one place where the import of flag_gems is changed: a finder that hands out the package as it lies on disk.

Two things are added to Python's own way. Sources that ask for another vendor's device by name ask for flagos
(REWRITES), and some modules are amended after they have run (amendments.AFTER). It goes when FlagGems takes vendors
from outside of its package and asks a tensor for its device by the vendor's name.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from flagos.flaggems import amendments, package, vendor

#: What a source says of its device -> what holds for ours. Only in files that assert such a thing.
REWRITES = (
    (re.compile(r"\.is_cuda\b"), ".is_flagos"),
    (re.compile(r'(\btype\s*[!=]=\s*)"cuda"'), r'\1"flagos"'),
    (re.compile(r"torch\.cuda\.get_device_(properties|capability|name)\("), r"torch.flagos.get_device_\1("),
    (re.compile(r'(\.get_device_properties\()\s*"cuda"\s*\)'), r"\1)"),
    (re.compile(r'torch\.device\("cuda"\)'), 'torch.device("flagos")'),
)


def rewrite(source: str) -> str:
    """The source with its assertions about another vendor's device turned to flagos."""
    for pattern, ours in REWRITES:
        source = pattern.sub(ours, source)
    return source


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a file of FlagGems. Rewritten sources never meet Python's bytecode cache, which would outlive the hook."""

    def get_code(self, fullname: str):
        source = self.get_source(fullname)
        changed = rewrite(source)
        if changed == source:
            return super().get_code(fullname)
        return compile(changed, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        amend = amendments.AFTER.get(module.__name__)
        if module.__name__ == "flag_gems":
            with _as_vendor():
                super().exec_module(module)
        else:
            super().exec_module(module)
        if amend is not None:
            amend(module)
        amendments.keep_one_configuration(module)


@contextmanager
def _as_vendor() -> Iterator[None]:
    """FlagGems reads its vendor from the environment while it is imported."""
    vendor.provide()
    before = os.environ.get("GEMS_VENDOR")
    os.environ["GEMS_VENDOR"] = package.VENDOR
    try:
        yield
    finally:
        if before is None:
            del os.environ["GEMS_VENDOR"]


class Finder:
    """A sys.meta_path entry for flag_gems and what lies in it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "flag_gems" and not name.startswith("flag_gems."):
            return None
        if name == "flag_gems":
            folder = package.source_folder()
            path = [str(folder.parent)] if folder is not None else None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return spec
        if name == "flag_gems" and isinstance(package.find(), str):
            return spec  # not ours to serve: another vendor's, or a version that we do not know
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Puts the finder in front, once a process. Loads nothing."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
