"""A graph for flagos as a graph for cpu: the same operators, on twins of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Interpreter
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map

_CPU = torch.device("cpu")


def is_flagos(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type == "flagos"


def uses_flagos(graph: GraphModule, inputs: Sequence[Any]) -> bool:
    """Whether some tensor of the graph is on flagos."""
    return any(map(is_flagos, inputs)) or any(
        is_flagos(value) for node in graph.graph.nodes for value in _values(node.meta.get("val"))
    )


def devices_of_outputs(graph: GraphModule) -> list[torch.device | None]:
    """Where each output of the graph lives; None for one that is no tensor."""
    return [
        value.device if isinstance(value := getattr(node, "meta", {}).get("val"), torch.Tensor) else None
        for node in graph.graph.output_node().args[0]
    ]


def for_cpu(
    graph: GraphModule, inputs: Sequence[Any], mode: FakeTensorMode, decompositions: Mapping[Any, Callable[..., Any]]
) -> tuple[GraphModule, list[Any]]:
    """`graph` traced again on cpu, and the fake inputs that it was traced with.

    Traced and not only rewritten, because decompositions look at the device: Inductor's for a product with one row is
    another one on cpu. Constants of the graph become views of the same memory.
    """
    for module in graph.modules():
        if isinstance(module, GraphModule):
            _say_cpu(module)
    twins = [_twin(value, mode) for value in inputs]
    with mode, torch.no_grad():
        traced = make_fx(Interpreter(graph).run, decomposition_table=dict(decompositions), _allow_non_fake_inputs=True)(
            *twins
        )
    _keep_names(graph, traced)
    return traced, twins


def _say_cpu(graph: GraphModule) -> None:
    for node in graph.graph.nodes:
        node.args, node.kwargs = tree_map(_cpu_device, (node.args, node.kwargs))
        if node.op == "get_attr" and is_flagos(constant := getattr(graph, node.target, None)):
            setattr(graph, node.target, torch.ops.flagos.host_view(constant.detach()))
    graph.recompile()


def _cpu_device(argument: Any) -> Any:
    return _CPU if isinstance(argument, torch.device) and argument.type == "flagos" else argument


def _twin(value: Any, mode: FakeTensorMode) -> Any:
    if not is_flagos(value):
        return value
    with mode:
        return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device=_CPU)


def _keep_names(old: GraphModule, new: GraphModule) -> None:
    # Inductor recognises some inputs, such as those of the backward, by the names of placeholders.
    for before, after in zip(
        old.graph.find_nodes(op="placeholder"), new.graph.find_nodes(op="placeholder"), strict=True
    ):
        after._rename(before.name)
        after.target = before.target
    new.recompile()


def _values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def fake_mode_of(inputs: Sequence[Any]) -> FakeTensorMode:
    """The mode that the graph was traced in."""
    mode = torch._guards.detect_fake_mode(inputs)
    return mode if mode is not None else FakeTensorMode(allow_non_fake_inputs=True)
