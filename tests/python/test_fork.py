"""After fork: the host driver goes on in the child, others raise one clear error there and leave cpu work alone."""

from __future__ import annotations

from .process import output_of

PROGRAM = """
    import os, sys, torch, torch_fl
    x = torch.ones(4, device="flagos")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        torch.manual_seed(1)
        print(torch.flagos._is_in_bad_fork(), (torch.ones(3) + 1).sum().item())
        try:
            print((x + 1).sum().item())
        except RuntimeError as error:
            print(error)
        sys.stdout.flush()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(status, torch.flagos._is_in_bad_fork(), (x + 1).sum().item())
"""


def test_the_host_driver_goes_on_in_the_child() -> None:
    assert output_of(PROGRAM, FLAGOS_DRIVER="host").splitlines() == ["False 6.0", "8.0", "0 False 8.0"]


def test_another_driver_raises_one_clear_error_there() -> None:
    first, error, last = output_of(PROGRAM, FLAGOS_DRIVER="sim").splitlines()
    assert first == "True 6.0"
    assert "fork" in error
    assert "sim" in error
    assert last == "0 False 8.0"


def test_a_child_of_a_parent_that_used_no_device_may_use_it() -> None:
    program = """
    import os, sys, torch, torch_fl
    child = os.fork()
    if child == 0:
        print(torch.flagos._is_in_bad_fork(), torch.ones(2, device="flagos").sum().item())
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    """
    for driver in ("host", "sim"):
        assert output_of(program, FLAGOS_DRIVER=driver) == "False 2.0"
