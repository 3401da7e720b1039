"""Random generators, one a device: a state of 16 bytes (seed, offset), or the CPU's state under FLAGOS_RNG=cpu."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from torch_fl.flagos.device import DeviceLike, device_count, index_of

_ops = torch.ops.flagos


def default_generator(device: DeviceLike = None) -> torch.Generator:
    """The generator that calls without `generator=` draw from, on a device."""
    return _ops.default_generator(index_of(device))


def manual_seed(seed: int) -> None:
    """Seeds the generator of the current device."""
    default_generator().manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices. Finds no devices: those found later start from this seed."""
    _ops.seed_all(_as_signed(int(seed)))


def _as_signed(seed: int) -> int:
    # As torch.Generator.manual_seed: 64 bits, where a negative number stands for its two's complement.
    if not -(2**63) <= seed < 2**64:
        raise RuntimeError(f"flagos: a seed has 64 bits, {seed} does not fit")
    return seed - 2**64 if seed >= 2**63 else seed


def seed() -> int:
    """Seeds the generator of the current device with a random number, which is returned."""
    return default_generator().seed()


def seed_all() -> int:
    """Seeds the generators of all devices with one random number, which is returned."""
    fresh = torch.Generator().seed()
    manual_seed_all(fresh)
    return fresh


def initial_seed() -> int:
    """The seed of the current device's generator."""
    return default_generator().initial_seed()


def get_rng_state(device: DeviceLike = None) -> torch.Tensor:
    """The state of a device's generator: a CPU tensor of torch.uint8."""
    return default_generator(device).get_state()


def get_rng_state_all() -> list[torch.Tensor]:
    """The states of all devices' generators."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state(new_state: torch.Tensor, device: DeviceLike = None) -> None:
    """Restores the state of a device's generator."""
    default_generator(device).set_state(new_state)


def set_rng_state_all(new_states: Iterable[torch.Tensor]) -> None:
    """Restores the states of the first devices' generators, in order."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
