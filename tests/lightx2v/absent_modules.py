"""Stand-ins for the third-party packages that LightX2V imports and a run of its DiT and VAE never calls.

LightX2V imports video codecs, image transforms and service clients at the top of its modules. Where such a package is
not installed, a module that hands out placeholder classes takes its place, so that the import goes through; a call of a
placeholder raises and names the package. What is installed is used, but for the packages of HIDDEN: they look for
others by name, would take our stand-ins for these, and ask for their versions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAMES = frozenset(
    [
        "torchvision",
        "torchaudio",
        "imageio",
        "imageio_ffmpeg",
        "gguf",
        "diffusers",
        "transformers",
        "accelerate",
        "huggingface_hub",
        "decord",
        "cv2",
        "ftfy",
        "regex",
        "requests",
        "prometheus_client",
        "pydantic",
        "zmq",
        "av",
        "redis",
        "scipy",
        "soundfile",
        "triton",
        "librosa",
        "fastapi",
        "uvicorn",
        "aiohttp",
        "peft",
        "tensorboard",
        "pandas",
        "matplotlib",
        "trimesh",
        "skimage",
        "omegaconf",
        "httpx",
        "jsonschema",
        "psutil",
    ]
)


HIDDEN = frozenset(("transformers", "diffusers", "accelerate", "huggingface_hub", "peft"))


class _Placeholder(type):
    """A class of which any attribute is another; calling it says what is missing."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _placeholder(f"{cls.__qualname__}.{name}")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        # A decorator of an absent package leaves the function as it is.
        if len(args) == 1 and not kwargs and callable(args[0]):
            return args[0]
        if cls.__dict__.get("_absent"):
            return _placeholder(f"{cls.__qualname__}()")
        return super().__call__(*args, **kwargs)

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __or__(cls, _: Any) -> Any:
        return cls

    def __ror__(cls, _: Any) -> Any:
        return cls

    def __iter__(cls) -> Any:  # an enumeration without members
        return iter(())


def _placeholder(name: str) -> Any:
    return _Placeholder(name, (), {"_absent": True})


class _AbsentModule(ModuleType):
    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _placeholder(f"{self.__name__}.{name}")


class AbsentModules(MetaPathFinder, Loader):
    """Makes up the modules of the packages that it is given."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if package not in self._names or ("." in name and not isinstance(sys.modules.get(package), _AbsentModule)):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is no code."""


def install() -> None:
    """Lets every import of a package that is not there go through, from now on in this process."""
    if not any(isinstance(finder, AbsentModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, AbsentModules(HIDDEN))  # asked before all others
        sys.meta_path.append(AbsentModules(NAMES))  # asked for what nobody has found
