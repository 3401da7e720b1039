"""Mends Inductor: a graph for flagos is compiled as one for cpu. See Note [Compiling for flagos].

What is wrapped: torch._inductor.compile_fx.fx_codegen_and_compile, which turns one graph into code. It can go when
Inductor lets a device supply that function, or when its C++ code generator serves other device types than "cpu".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._inductor import compile_fx
from torch._inductor.codegen.common import register_backend_for_device
from torch._inductor.codegen.cpp import CppScheduling
from torch._inductor.codegen.wrapper import PythonWrapperCodegen
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.output_code import OutputCode
from torch.fx import GraphModule

from torch_fl.compilation import retarget

_original = compile_fx.fx_codegen_and_compile


class UncachedWrapper(PythonWrapperCodegen):
    """Keeps Inductor from caching graphs for flagos by themselves: what they become for cpu is cached."""

    supports_caching = False


class HostedCode(OutputCode):
    """Code for cpu that is called with flagos tensors and answers with them."""

    def __init__(self, code: OutputCode, devices: Sequence[torch.device | None]) -> None:
        self._code = code
        self._devices = [d.index or 0 if d is not None and d.type == "flagos" else None for d in devices]
        self._boxed_call = True

    def __call__(self, inputs: Sequence[Any]) -> Any:
        host_view, from_host = torch.ops.flagos.host_view, torch.ops.flagos.from_host
        host = [host_view(value) if retarget.is_flagos(value) else value for value in inputs]
        # An input that comes out again, for the backward, must be the same tensor: autograd watches its version.
        originals = {id(view): value for view, value in zip(host, inputs, strict=True) if view is not value}
        views = [view for view in host if id(view) in originals]  # alive, so that the ids stay theirs
        if isinstance(inputs, list):
            inputs.clear()
        results = self._code(host)
        answers = []
        for result, device in zip(results, self._devices, strict=True):
            if device is not None and isinstance(result, torch.Tensor):
                original = originals.get(id(result))
                result = original if original is not None else from_host(result, device)
            answers.append(result)
        del views
        return answers

    def post_compile(self, *_: Any) -> None:
        """Done by the code for cpu."""

    def set_triton_bundle(self, triton_bundle: Any) -> None:
        """Code for cpu has none."""


def _compile(
    gm: GraphModule,
    example_inputs: Sequence[Any],
    inputs_to_check: Sequence[int],
    compile_region_name: str | None = None,
    **graph_kwargs: Any,
) -> OutputCode:
    if not retarget.uses_flagos(gm, example_inputs):
        return _original(gm, example_inputs, inputs_to_check, compile_region_name, **graph_kwargs)
    devices = retarget.devices_of_outputs(gm)
    _require_host_access(gm, example_inputs)
    decompositions = graph_kwargs.get("get_decomp_fn", select_decomp_table)()
    graph, inputs = retarget.for_cpu(gm, example_inputs, retarget.fake_mode_of(example_inputs), decompositions)
    code = compile_fx.compile_fx_inner(graph, inputs, compile_region_name, **graph_kwargs)
    return HostedCode(code, devices)


def _require_host_access(gm: GraphModule, inputs: Sequence[Any]) -> None:
    from torch_fl.flagos import get_device_properties

    tensors = [*inputs, *(node.meta.get("val") for node in gm.graph.nodes)]
    for index in {value.device.index or 0 for value in tensors if retarget.is_flagos(value)}:
        properties = get_device_properties(index)
        if "host_access" not in properties.capabilities:
            raise NotImplementedError(
                f"flagos: Inductor has no code generator for flagos:{index} (driver {properties.driver}), whose memory "
                "the host cannot use; compile with backend='aot_eager', or run without torch.compile"
            )


def install() -> None:
    """Wraps the function; once a process."""
    register_backend_for_device("flagos", CppScheduling, UncachedWrapper)
    compile_fx.fx_codegen_and_compile = _compile
