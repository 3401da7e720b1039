"""What a LoRA file adds to an operator's weights: a low-rank product beside them, or a difference to them.

    y = x @ (W + diff) + (bias + diff_b) + strength * (alpha / rank or 1) * (x @ down^T) @ up^T

A name is the prefix, the weight's name without its first part and without ".weight", and one of lora_down.weight,
lora_up.weight, alpha, diff, diff_b. `strength` travels with a block through its buffers as a tensor of its own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lightx2v_fl import checkpoint, framework
from lightx2v_fl.errors import missing, require
from lightx2v_fl.weights import WeightedOperator, Weights


class DiffAdditions(WeightedOperator):
    """An operator to whose weight and bias a difference can be added."""

    _follows_a_file = False  # additions were registered: the next block's are read from lora_path with its weights

    def _name_additions(self) -> None:
        """Sets the names; called when weight_name is known. Without a weight there is nothing to add to."""
        if self.weight_name is None:
            self._base_name = ""
            self.weight_diff_name = self.bias_diff_name = None
            self.lora_attrs: dict[str, str] = {}
            return
        self._base_name = f"{self.lora_prefix}.{self.weight_name.removesuffix('.weight').partition('.')[2]}"
        self.weight_diff_name = f"{self._base_name}.diff"
        self.bias_diff_name = f"{self._base_name}.diff_b"
        self.lora_attrs = {"weight_diff": "weight_diff_name", "bias_diff": "bias_diff_name"}

    def _additions(self) -> dict[str, str]:
        return {attribute: getattr(self, name) for attribute, name in self.lora_attrs.items()}

    def register_diff(self, weight_dict: Weights) -> None:
        """Takes the differences that `weight_dict` has for this operator."""
        if not self._takes_additions():
            return
        self._follows_a_file = True
        for attribute in ("weight_diff", "bias_diff"):
            name = getattr(self, f"{attribute}_name")
            if name in weight_dict:
                self._set_diff(attribute, weight_dict[name])

    def _set_diff(self, attribute: str, tensor: Tensor) -> None:
        base = getattr(self, attribute.removesuffix("_diff"), None)
        transposed = attribute == "weight_diff" and any(a == "weight" and t for _, a, t in self.base_attrs)
        tensor = (tensor.t() if transposed else tensor).to(self._additions_device())
        if base is not None:
            require(
                tensor.shape == base.shape, self.key, f"'{getattr(self, attribute + '_name')}'",
                f"has shape {tuple(tensor.shape)} as the weight is kept", f"{tuple(base.shape)}",
            )  # fmt: skip
        setattr(self, attribute, tensor)
        self.has_diff = True

    def _plus_diff(self, attribute: str) -> Tensor | None:
        """The weight or bias with its difference."""
        base, diff = getattr(self, attribute, None), getattr(self, f"{attribute}_diff", None)
        return base if base is None or diff is None else base + diff.to(base.dtype)

    def _takes_additions(self) -> bool:
        """A lazy placeholder has no tensors of its own to add to; its buffers do."""
        return not self.lazy_load or self.create_cuda_buffer or self.create_cpu_buffer

    def _additions_device(self) -> torch.device | str:
        return self.weight.device if self.weight is not None else framework.device()

    def _load_additions(self, destination: Weights, block_index: int) -> None:
        for attribute, name in self._additions().items():
            source = destination.get(checkpoint.of_block(name, block_index))
            setattr(self, attribute, None if source is None else source.to(framework.device(), non_blocking=True))

    def _rename(self, block: int, adapter_block: int | None) -> None:
        super()._rename(block, adapter_block)
        self._name_additions()

    def _read_additions(self) -> None:
        if not self._follows_a_file or not self.lora_path or not Path(self.lora_path).is_file():
            return
        from safetensors import safe_open

        with safe_open(self.lora_path, framework="pt", device="cpu") as opened:
            there = set(opened.keys())
            for attribute, name in self._additions().items():
                tensor = opened.get_tensor(name).to(self.infer_dtype) if name in there else None
                setattr(self, attribute, tensor)


class LoraAdditions(DiffAdditions):
    """A linear operator that also takes a low-rank product."""

    def _name_additions(self) -> None:
        super()._name_additions()
        self.lora_down_name = f"{self._base_name}.lora_down.weight"
        self.lora_up_name = f"{self._base_name}.lora_up.weight"
        self.lora_alpha_name = f"{self._base_name}.alpha"
        self.lora_strength_name = f"{self._base_name}.lora_strength"
        self.lora_attrs |= {
            "lora_down": "lora_down_name",
            "lora_up": "lora_up_name",
            "lora_alpha": "lora_alpha_name",
        }

    def register_lora(self, weight_dict: Weights, lora_strength: float = 1) -> None:
        """Takes the low-rank tensors that `weight_dict` has for this operator. KeyError when only one of the two is
        there.
        """
        if not self._takes_additions():
            return
        self._follows_a_file = True
        if self.lora_down_name not in weight_dict:
            return
        if self.lora_up_name not in weight_dict:
            raise missing(self.key, self.lora_up_name, f"the LoRA that has '{self.lora_down_name}'")
        device = self._additions_device()
        down, up = weight_dict[self.lora_down_name], weight_dict[self.lora_up_name]
        require(
            down.dim() == 2 and up.dim() == 2 and down.shape[0] == up.shape[1],
            self.key,
            f"'{self.lora_down_name}' and lora_up",
            f"have shapes {tuple(down.shape)} and {tuple(up.shape)}",
            "[rank, in] and [out, rank]",
        )
        self.lora_down, self.lora_up = down.to(device), up.to(device)
        alpha = weight_dict.get(self.lora_alpha_name)
        self.lora_alpha = None if alpha is None else alpha.to(device)
        self.lora_strength = lora_strength
        self.has_lora_branch = True

    # A changed LoRA is taken as a new one is: its tensors are small, and it may have another rank.
    update_lora = register_lora

    def remove_lora(self) -> None:
        """Forgets the low-rank tensors; differences stay."""
        self.lora_down = self.lora_up = self.lora_alpha = None
        self.has_lora_branch = self._follows_a_file = False

    @property
    def lora_scale(self) -> Tensor | float:
        """alpha / rank, or 1 where the file has no alpha."""
        alpha = getattr(self, "lora_alpha", None)
        return 1.0 if alpha is None else alpha / self.lora_down.shape[0]

    def apply_lora(self, x: Tensor) -> Tensor:
        """strength * (alpha / rank) * (x @ down^T) @ up^T, for x of two dimensions."""
        product = torch.mm(torch.mm(x, self.lora_down.t()), self.lora_up.t())
        return self.lora_strength * self.lora_scale * product

    def state_dict(self, destination: Weights | None = None) -> Weights:
        destination = super().state_dict(destination)
        if self.has_lora_branch:
            destination[self.lora_strength_name] = torch.tensor(float(self.lora_strength), dtype=torch.float64)
        return destination

    def _load_additions(self, destination: Weights, block_index: int) -> None:
        super()._load_additions(destination, block_index)
        strength = destination.get(checkpoint.of_block(self.lora_strength_name, block_index))
        if strength is not None:
            self.lora_strength = strength.item()  # a tensor of the host: nothing is waited for
        self.has_lora_branch = strength is not None and self.lora_down is not None

    def _read_additions(self) -> None:
        super()._read_additions()
        if self._follows_a_file:
            self.has_lora_branch = getattr(self, "lora_down", None) is not None
