"""An operator with weights, in the five ways in which LightX2V loads them.

Note [Load modes]
  resident       no flag, weights on the device    -> `weight`
  offload        no flag, weights on the host      -> `pin_weight`; to_cuda() and to_cpu() move it; entries are consumed
  device buffer  create_cuda_buffer                -> `weight_cuda_buffer`, into which load_state_dict(source, i) copies
                                                      block i; then it is `weight`. Entries are not consumed: the real
                                                      blocks load the same names afterwards
  pinned buffer  create_cpu_buffer and lazy_load   -> `pin_weight`, refilled by load_state_dict_from_disk(i), which
                                                      LightX2V calls from threads of its own
  placeholder    lazy_load alone                   -> nothing; the block exists by name only
The same tensor arrives by each way with the same bits: what is read lazily is cast as LightX2V's eager loader casts it.
Attribute names (`weight`, `pin_weight`, `weight_cuda_buffer`, `base_attrs` ...) are the framework's: it reads and sets
them.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import torch
from torch import Tensor

from lightx2v_fl import checkpoint, framework
from lightx2v_fl.errors import missing

Weights = MutableMapping[str, Tensor]


class WeightedOperator:
    """Base of linear and norm operators. A subclass says which tensors it has (`base_attrs`) and computes.

    Args, as LightX2V passes them by position or name: names of the weight and bias (None: there is none), the flags of
    Note [Load modes], the file or folder of lazy weights, whether the block belongs to an adapter with an index of its
    own, and prefix and file of LoRA tensors. Unknown keywords of newer versions are accepted.
    """

    key = ""  # the operator's registry key, for messages

    def __init__(
        self,
        weight_name: str | None,
        bias_name: str | None = None,
        create_cuda_buffer: bool = False,
        create_cpu_buffer: bool = False,
        lazy_load: bool = False,
        lazy_load_file: str | None = None,
        is_post_adapter: bool = False,
        lora_prefix: str = "diffusion_model.blocks",
        lora_path: str | None = "",
    ) -> None:
        self.weight_name = weight_name
        self.bias_name = bias_name
        self.create_cuda_buffer = create_cuda_buffer
        self.create_cpu_buffer = create_cpu_buffer
        self.lazy_load = lazy_load
        self.lazy_load_file = lazy_load_file
        self.is_post_adapter = is_post_adapter
        self.lora_prefix = lora_prefix
        self.lora_path = lora_path
        self.config: dict[str, Any] = {}
        self.infer_dtype = framework.inference_dtype()
        self.sensitive_layer_dtype = framework.sensitive_dtype()
        self.has_lora_branch = False
        self.has_diff = False
        self.weight: Tensor | None = None
        self.bias: Tensor | None = None
        # (name in the checkpoint, attribute, kept transposed); `<attribute>_name` holds the name too.
        self.base_attrs: list[tuple[str, str, bool]] = []

    # What a subclass decides.

    def lazy_dtype(self, attribute: str, stored: torch.dtype) -> torch.dtype:
        """The dtype that a tensor read from a file gets; what the eager loader would have made of it."""
        return self.infer_dtype

    def check(self) -> None:
        """Raises when the tensors that were loaded do not fit each other."""

    # Loading.

    def set_config(self, config: dict[str, Any] | None = None) -> None:
        if config is not None:
            self.config = config

    def load(self, weight_dict: Weights) -> None:
        """Fills the attributes of the operator's load mode. KeyError names a tensor that is missing."""
        if self.create_cuda_buffer:
            for name, attribute, transposed in self.base_attrs:
                tensor = self._source(weight_dict, name, attribute)
                # A copy even when the source is on the device: the buffer is written, the source is not ours.
                buffer = tensor.to(framework.device(), copy=True)
                setattr(self, f"{attribute}_cuda_buffer", buffer.t() if transposed else buffer)
        elif self.create_cpu_buffer:
            if self.base_attrs:
                self._require_lazy_file()
            for name, attribute, transposed in self.base_attrs:
                tensor = self._source(weight_dict, name, attribute)
                setattr(self, f"pin_{attribute}", checkpoint.pinned(tensor, transposed))
                setattr(self, attribute, None)
        elif self.lazy_load:
            for _, attribute, _ in self.base_attrs:
                setattr(self, attribute, None)
        else:
            for name, attribute, transposed in self.base_attrs:
                self._take(weight_dict, name, attribute, transposed)
        self.check()

    def _take(self, weight_dict: Weights, name: str, attribute: str, transposed: bool) -> None:
        if name not in weight_dict:
            raise missing(self.key, name, "the checkpoint")
        tensor = weight_dict[name]
        if tensor.device.type == "cpu":
            setattr(self, f"pin_{attribute}", checkpoint.pinned(tensor, transposed))
            setattr(self, attribute, None)
            del weight_dict[name]
        else:
            setattr(self, f"pin_{attribute}", None)
            setattr(self, attribute, tensor.t() if transposed else tensor)

    def _source(self, weight_dict: Weights, name: str, attribute: str) -> Tensor:
        if self.lazy_load:
            self._require_lazy_file()
            [(_, tensor)] = checkpoint.read(self.key, str(self.lazy_load_file), [name])
            return tensor.to(self.lazy_dtype(attribute, tensor.dtype))
        if name not in weight_dict:
            raise missing(self.key, name, "the checkpoint")
        return weight_dict[name]

    def _require_lazy_file(self) -> None:
        if not self.lazy_load or not self.lazy_load_file:
            raise ValueError(
                f"{self.key}: '{self.weight_name}' is to be read lazily, but lazy_load is {self.lazy_load} and "
                f"lazy_load_file is {self.lazy_load_file!r}; expected a .safetensors file or a folder of block files"
            )

    # Moving.

    def to_cuda(self, non_blocking: bool = False) -> None:
        """Brings the weights to the device, from their pinned copies where there are such."""
        device = framework.device()
        for _, attribute, _ in self.base_attrs:
            source = getattr(self, f"pin_{attribute}", None)
            source = source if source is not None else getattr(self, attribute, None)
            if source is not None:
                setattr(self, attribute, source.to(device, non_blocking=non_blocking))
        self._move_additions(device, non_blocking)

    def to_cpu(self, non_blocking: bool = False) -> None:
        """Brings the weights to the host, into their pinned copies where there are such."""
        for _, attribute, _ in self.base_attrs:
            current, pinned = getattr(self, attribute, None), getattr(self, f"pin_{attribute}", None)
            if current is None:
                continue
            if pinned is None:
                setattr(self, attribute, current.to("cpu", non_blocking=non_blocking))
            else:
                setattr(self, attribute, pinned.copy_(current, non_blocking=non_blocking))
        self._move_additions("cpu", non_blocking)

    def _move_additions(self, device: str, non_blocking: bool) -> None:
        for attribute in self._additions():
            tensor = getattr(self, attribute, None)
            if tensor is not None:
                setattr(self, attribute, tensor.to(device, non_blocking=non_blocking))

    # Blocks that pass through buffers.

    def state_dict(self, destination: Weights | None = None) -> Weights:
        """The tensors under their names: pinned ones where there are such."""
        destination = {} if destination is None else destination
        for _, attribute, _ in self.base_attrs:
            pinned = getattr(self, f"pin_{attribute}", None)
            destination[getattr(self, f"{attribute}_name")] = (
                pinned if pinned is not None else getattr(self, attribute, None)  # type: ignore[assignment]
            )
        for attribute, name in self._additions().items():
            tensor = getattr(self, attribute, None)
            if tensor is not None:
                destination[name] = tensor
        return destination

    def load_state_dict(self, destination: Weights, block_index: int, adapter_block_index: int | None = None) -> None:
        """Copies a block's tensors into the device buffers. A tensor that the block has not is then None."""
        for name, attribute, _ in self.base_attrs:
            buffer = getattr(self, f"{attribute}_cuda_buffer", None)
            source = destination.get(self._renamed(name, block_index, adapter_block_index))
            if source is None:
                setattr(self, attribute, None)
            elif buffer is not None:
                setattr(self, attribute, buffer.copy_(source, non_blocking=True))
        self._load_additions(destination, block_index)

    def load_state_dict_from_disk(self, block_index: int, adapter_block_index: int | None = None) -> None:
        """Refills the pinned buffers with a block read from its file; the operator then has that block's names."""
        self._rename(block_index, adapter_block_index)
        if not self.base_attrs:
            return
        self._require_lazy_file()
        attributes = {name: (attribute, transposed) for name, attribute, transposed in self.base_attrs}
        for name, tensor in checkpoint.read(self.key, str(self.lazy_load_file), attributes):
            attribute, transposed = attributes[name]
            getattr(self, f"pin_{attribute}").copy_(tensor.t() if transposed else tensor)
        self._read_additions()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The tensors that are in use, under their attributes' names."""
        for _, attribute, _ in self.base_attrs:
            tensor = getattr(self, attribute, None)
            if tensor is not None:
                yield prefix + attribute, tensor

    def _renamed(self, name: str, block: int, adapter_block: int | None) -> str:
        index = adapter_block if self.is_post_adapter else block
        if index is None:
            raise ValueError(f"{self.key}: '{name}' belongs to an adapter; expected adapter_block_index, got None")
        return checkpoint.of_block(name, index)

    def _rename(self, block: int, adapter_block: int | None) -> None:
        self.base_attrs = [
            (self._renamed(name, block, adapter_block), attribute, transposed)
            for name, attribute, transposed in self.base_attrs
        ]
        for name, attribute, _ in self.base_attrs:
            setattr(self, f"{attribute}_name", name)

    # What is added to the weights at run time (LoRA, differences): see additions.py.

    def _additions(self) -> dict[str, str]:
        """Attribute -> name of each tensor that is added to the weights."""
        return {}

    def _load_additions(self, destination: Weights, block_index: int) -> None:
        """Takes the additions of a block from `destination`."""

    def _read_additions(self) -> None:
        """Reads the additions of the block that the operator now names from lora_path."""
