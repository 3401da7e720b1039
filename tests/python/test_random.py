"""Generators: seeds, states, and that a state restores exactly what follows."""

from __future__ import annotations

import pytest
import torch

from .process import output_of

flagos = torch.flagos


def draw() -> torch.Tensor:
    return torch.cat([torch.randn(50, device="flagos"), torch.rand(50, device="flagos")])


def test_a_seed_repeats_what_follows() -> None:
    for seed in (flagos.manual_seed, flagos.manual_seed_all, torch.manual_seed):
        seed(11)
        first = draw()
        assert flagos.initial_seed() == 11
        assert not torch.equal(first, draw())
        seed(11)
        assert torch.equal(first, draw())


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, 2**64 - 1, -(2**63)])
def test_every_64_bit_seed(seed: int) -> None:
    torch.manual_seed(seed)
    first = draw()
    flagos.manual_seed(seed)
    assert torch.equal(first, draw())


def test_a_seed_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(RuntimeError, match="a seed has 64 bits"):
        flagos.manual_seed_all(2**64)


def test_a_state_restores_exactly() -> None:
    state, states = flagos.get_rng_state(), flagos.get_rng_state_all()
    assert state.dtype == torch.uint8
    assert state.device.type == "cpu"
    first = draw()
    flagos.set_rng_state(state)
    assert torch.equal(first, draw())
    flagos.set_rng_state_all(states)
    assert torch.equal(first, draw())


def test_a_state_is_16_bytes_of_seed_and_offset() -> None:
    program = """
    import torch, torch_fl
    torch.flagos.manual_seed(5)
    print(torch.flagos.get_rng_state().view(torch.int64).tolist())
    torch.rand(8, device="flagos")
    seed, offset = torch.flagos.get_rng_state().view(torch.int64).tolist()
    print(seed, offset > 0)
    """
    assert output_of(program, FLAGOS_RNG=None, FLAGOS_DRIVER="host") == "[5, 0]\n5 True"


def test_fork_rng_and_a_generator_of_ones_own() -> None:
    torch.manual_seed(3)
    with torch.random.fork_rng([0], device_type="flagos"):
        inside = draw()
    assert torch.equal(inside, draw())
    own = torch.Generator(device="flagos").manual_seed(9)
    first = torch.randn(10, device="flagos", generator=own)
    assert own.initial_seed() == 9
    assert torch.equal(first, torch.randn(10, device="flagos", generator=own.manual_seed(9)))


def test_random_seeds_differ() -> None:
    assert flagos.seed() != flagos.seed()
    assert flagos.seed_all() == flagos.initial_seed()


def test_what_is_no_state_is_refused() -> None:
    before = flagos.get_rng_state()
    for state in (torch.zeros(3, dtype=torch.uint8), torch.zeros(16), torch.zeros(0, dtype=torch.uint8)):
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            flagos.set_rng_state(state)
    assert torch.equal(before, flagos.get_rng_state())


def test_a_generator_of_another_device_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError), match="generator"):
        torch.randn(2, device="flagos", generator=torch.Generator())


def test_the_cpu_engine_equals_the_cpu() -> None:
    program = """
    import torch, torch_fl
    def mixed(device):
        torch.manual_seed(17)
        return [torch.randn(7, device=device), torch.rand(9, device=device), torch.randperm(20, device=device),
                torch.nn.functional.dropout(torch.ones(30, device=device), 0.4),
                torch.empty(5, device=device).exponential_()]
    host, state = mixed("cpu"), torch.get_rng_state()
    print(all(torch.equal(a, b.cpu()) for a, b in zip(host, mixed("flagos"))))
    print(torch.equal(torch.flagos.get_rng_state(), state))
    """
    assert output_of(program, FLAGOS_RNG="cpu", FLAGOS_DRIVER="host") == "True\nTrue"
