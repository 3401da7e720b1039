"""The part of the framework's contract that an operator without weights has: it is asked to load and move all the
same.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from torch import Tensor


class StatelessOperator:
    """Base of attention and RoPE."""

    key = ""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}

    def set_config(self, config: dict[str, Any] | None = None) -> None:
        if config is not None:
            self.config = config

    def load(self, weight_dict: MutableMapping[str, Tensor]) -> None:
        """Nothing to load."""

    def to_cpu(self, non_blocking: bool = False) -> None:
        """Nothing to move."""

    def to_cuda(self, non_blocking: bool = False) -> None:
        """Nothing to move."""

    def state_dict(self, destination: MutableMapping[str, Tensor] | None = None) -> MutableMapping[str, Tensor]:
        return {} if destination is None else destination

    def load_state_dict(
        self,
        destination: MutableMapping[str, Tensor],
        block_index: int,
        adapter_block_index: int | None = None,
    ) -> MutableMapping[str, Tensor]:
        return {} if destination is None else destination

    def load_state_dict_from_disk(self, block_index: int, adapter_block_index: int | None = None) -> None:
        """Nothing to read."""

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        return iter(())
