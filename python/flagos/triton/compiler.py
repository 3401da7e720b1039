"""What Triton asks of a backend when it compiles a kernel (triton.backends.compiler.BaseBackend).

Stages: "ttir" runs Triton's own passes, "tile" is the text that libflagos.so reads, "flk" is the compiled kernel with
what its launch needs.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import triton
from triton._C.libtriton import ir, passes
from triton.backends.compiler import BaseBackend, GPUTarget

from flagos.triton import dumping, image, native, self_hash, versions
from flagos.triton.diagnostics import Locations, explain_failure


@dataclass(frozen=True)
class CpuOptions:
    """Compile options. What only means something on a GPU is accepted and ignored."""

    num_warps: int = 1
    num_stages: int = 1
    num_ctas: int = 1
    warp_size: int = 1
    maxnreg: int | None = None
    cluster_dims: tuple[int, int, int] = (1, 1, 1)
    ir_override: str | None = None
    enable_fp_fusion: bool = False
    launch_cooperative_grid: bool = False
    launch_pdl: bool = False
    supported_fp8_dtypes: tuple[str, ...] = ("fp8e4nv", "fp8e5")
    deprecated_fp8_dot_operand_dtypes: tuple[str, ...] = ()
    default_dot_input_precision: str = "ieee"
    allowed_dot_input_precisions: tuple[str, ...] = ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")
    max_num_imprecise_acc_default: int = 0
    extern_libs: tuple[tuple[str, str], ...] = ()
    debug: bool = False
    sanitize_overflow: bool = False
    backend_name: str = "cpu"
    arch: str = ""
    instrumentation_mode: str = ""
    matrix_instr_nonkdim: int = 0
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def hash(self) -> str:
        """Names these options in Triton's cache."""
        key = "_".join(f"{name}-{value}" for name, value in sorted(self.__dict__.items()))
        return hashlib.sha256(key.encode()).hexdigest()


class CpuBackend(BaseBackend):
    """Compiles for the target that CpuDriver names."""

    binary_ext = "flk"

    def __init__(self, target: GPUTarget) -> None:
        versions.check(triton.__version__)
        self_hash.install()
        super().__init__(target)

    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        return target.backend == "cpu"

    @functools.cache  # noqa: B019 - one backend a target, as long as the process
    def hash(self) -> str:
        target = native.host_target()
        return f"flagos-{native.compiler_version()}-{target.key}"

    def parse_options(self, options: dict[str, Any]) -> CpuOptions:
        known = CpuOptions.__dataclass_fields__
        given = {name: value for name, value in options.items() if name in known and value is not None}
        return CpuOptions(**{**given, "arch": str(self.target.arch)})

    def load_dialects(self, context: ir.context) -> None:
        """Stock dialects are enough."""

    def get_module_map(self) -> dict[str, ModuleType]:
        from flagos.triton import libdevice

        return {"triton.language.extra.libdevice": libdevice}

    def get_codegen_implementation(self, options: CpuOptions) -> dict[str, Any]:
        return {"min_dot_size": lambda lhs, rhs: (1, 1, 1)}

    def pack_metadata(self, metadata: Any) -> Any:
        return metadata

    @staticmethod
    def make_ttir(module: ir.module, metadata: dict[str, Any]) -> ir.module:
        manager = ir.pass_manager(module.context)
        manager.enable_debug()
        passes.common.add_inliner(manager)
        passes.ttir.add_rewrite_tensor_pointer(manager)
        passes.ttir.add_rewrite_tensor_descriptor_to_pointer(manager)
        passes.common.add_canonicalizer(manager)
        passes.ttir.add_combine(manager)
        passes.ttir.add_reorder_broadcast(manager)
        passes.common.add_cse(manager)
        passes.common.add_symbol_dce(manager)
        passes.ttir.add_loop_unroll(manager)
        manager.run(module, "make_ttir")
        return module

    def add_stages(self, stages: dict[str, Any], options: CpuOptions, language: Any) -> None:
        compilation = _Compilation()
        stages["ttir"] = self.make_ttir
        stages["tile"] = compilation.make_tile
        stages["flk"] = compilation.make_kernel


class _Compilation:
    """The stages of one kernel behind Triton's own; the text with locations waits for an error that needs it."""

    def __init__(self) -> None:
        self.located: str | None = None

    def make_tile(self, module: ir.module, metadata: dict[str, Any]) -> str:
        # Here and not a stage before: what is compiled from a .ttir file begins with this one.
        metadata["name"] = module.get_entry_func_name()
        metadata["shared"] = 0
        self.located = str(module)
        return module.str_nodebug()

    def make_kernel(self, text: str, metadata: dict[str, Any]) -> bytes:
        dumping.source(metadata["name"], text, self.located or text)
        try:
            return bytes(image.build(text))
        except native.CompileError as error:
            raise explain_failure(error, metadata["name"], Locations(self.located or text)) from None
