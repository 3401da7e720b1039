"""What `import torch` and `import torch_fl` do, and above all what they leave alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from flagos import libraries

from .process import fresh, install_entry_points, output_of

USE = 'x = torch.ones(2, 2, device="flagos"); assert (x + x).sum().item() == 8'

# What PyTorch itself adds to its classes for a device that asks for it.
GENERATED = {
    "Tensor": {"flagos", "is_flagos"},
    "Module": {"flagos"},
    "PackedSequence": {"flagos", "is_flagos"},
    "UntypedStorage": {"flagos", "is_flagos"},
    "TypedStorage": {"flagos", "is_flagos"},
    "_StorageBase": {"flagos", "is_flagos"},
    "DeviceType": {"FLAGOS"},
    "ProfilerActivity": {"FLAGOS"},
}


@pytest.fixture(scope="module")
def python_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install_entry_points(tmp_path_factory.mktemp("site"))


def test_twenty_fresh_processes_in_either_order(python_path: str) -> None:
    orders = ["import torch, torch_fl", "import torch_fl, torch"]
    with ThreadPoolExecutor(2) as pool:
        outputs = pool.map(lambda i: output_of(f"{orders[i % 2]}\n{USE}", PYTHONPATH=python_path), range(20))
        assert list(outputs) == [""] * 20


def test_import_torch_alone_registers(python_path: str) -> None:
    program = f"import torch\n{USE}\nprint(torch.flagos.__name__, torch.accelerator.current_accelerator())"
    assert output_of(program, PYTHONPATH=python_path) == "torch_fl.flagos flagos"


@pytest.mark.parametrize("value", ["0", "off"])
def test_autoload_can_be_switched_off(python_path: str, value: str) -> None:
    program = "import torch, sys\nprint(hasattr(torch, 'flagos'), 'torch_fl' in sys.modules)\nimport torch_fl\n" + USE
    assert output_of(program, PYTHONPATH=python_path, FLAGOS_AUTOLOAD=value) == "False False"


FAKED_ACCELERATOR = """
    # torch.accelerator answers that PyTorch has a device of its own, from its first line on.
    import importlib.abc, importlib.machinery, sys
    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name != "torch.accelerator":
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            run = spec.loader.exec_module
            def exec_module(module):
                run(module)
                import torch
                module.current_accelerator = lambda check_available=False: torch.device("cuda")
                sys.modules["torch.cuda"].device_count = lambda: 1
            spec.loader.exec_module = exec_module
            return spec
    sys.meta_path.insert(0, Finder())
"""


def test_beside_an_accelerator_import_torch_changes_nothing(python_path: str) -> None:
    program = (
        FAKED_ACCELERATOR
        + """
    import torch
    print(hasattr(torch, "flagos"), "torch_fl" in sys.modules, torch._C._get_privateuse1_backend_name())
    import torch_fl
    x = torch.ones(2, device="flagos")
    print((x + x).sum().item())
    """
    )
    assert output_of(program, PYTHONPATH=python_path) == "False False privateuseone\n4.0"


def test_beside_an_accelerator_autoload_can_be_asked_for(python_path: str) -> None:
    program = FAKED_ACCELERATOR + "\n    import torch\n    print(torch.flagos.device_count())"
    assert output_of(program, PYTHONPATH=python_path, FLAGOS_AUTOLOAD="1") == "1"


def test_only_the_registrations_change_torch() -> None:
    program = """
    import sys, torch
    def look():
        seen = {}
        for name, module in list(sys.modules.items()):
            if name == "torch" or name.startswith("torch."):
                for attribute, value in list(vars(module).items()):
                    seen[name, attribute] = value
                    owner = getattr(value, "__module__", "")
                    if isinstance(value, type) and (owner == "torch" or owner.startswith("torch.")):
                        for inner, thing in list(vars(value).items()):
                            seen[value.__name__, inner, value] = thing
        return seen
    first, before = look(), look()
    before = {key: value for key, value in before.items() if first.get(key) is value}  # some are made at each look
    import torch_fl
    after = look()
    print(sorted({key[:2] for key in before if key in after and before[key] is not after[key]}))
    print(sorted({key[:2] for key in after if key not in first}))
    """
    done = fresh(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0")  # looking at old names makes PyTorch warn
    assert done.returncode == 0, done.stderr
    changed, added = done.stdout.splitlines()
    # PyTorch's renaming teaches its two enums of devices the new name; names with "_" are its own bookkeeping.
    enums = {("DeviceType", "name"), ("ProfilerActivity", "name")}
    assert {pair for pair in eval(changed) if not pair[1].startswith("_")} <= enums
    names = [pair for pair in eval(added) if not pair[0].startswith("torch.flagos") and not pair[1].startswith("_")]
    expected = {("torch", "flagos")} | {(owner, name) for owner, names in GENERATED.items() for name in names}
    assert set(names) - {("_Ops", "flagos"), ("torch.ops", "flagos")} <= expected
    assert ("torch", "flagos") in names


def test_import_loads_no_compiler() -> None:
    program = """
    import sys, torch
    before = set(sys.modules)
    import torch_fl
    new = {name.split(".")[0] for name in set(sys.modules) - before}
    print(sorted(new), any(name.startswith(("torch._dynamo", "torch._inductor")) for name in sys.modules))
    """
    modules, compiler = output_of(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0").rsplit(" ", 1)
    assert set(eval(modules)) <= {"torch_fl", "flagos", "torch"}
    assert compiler == "False"


def test_import_reads_no_environment_and_first_use_names_the_variable() -> None:
    program = """
    import torch, torch_fl
    torch.manual_seed(1)
    print(torch.ops.flagos.devices_found(), torch.flagos.is_available())
    try:
        torch.ones(1, device="flagos")
    except ValueError as error:
        print(error)
    """
    first, error = output_of(program, FLAGOS_DRIVER="toaster").splitlines()[:2]
    assert first == "False False"
    assert "FLAGOS_DRIVER" in error
    assert "toaster" in error


def test_a_broken_installation_does_not_break_torch(python_path: str, tmp_path: Path) -> None:
    program = """
    import torch
    print(torch.ones(2).sum().item(), hasattr(torch, "flagos"))
    try:
        import torch_fl
    except ImportError as error:
        print(error)
    """
    first, error = output_of(program, PYTHONPATH=python_path, FLAGOS_LIBRARY_DIR=str(tmp_path)).splitlines()
    assert first == "2.0 False"
    assert error.startswith(f"flagos: libflagos.so was not found in {tmp_path}; install the package")


def test_a_torch_that_is_not_served_is_named_with_those_that_are() -> None:
    minor = ".".join(torch.__version__.split(".")[:2])
    assert libraries.plugin(torch.__version__).name == f"libtorch_fl-{minor}.so"
    with pytest.raises(libraries.LibraryNotFound, match=rf"serves torch .*{minor}.*, but torch 2\.7\.1 is installed"):
        libraries.plugin("2.7.1")


def test_another_backend_in_the_one_place_is_refused() -> None:
    program = """
    import torch
    torch.utils.rename_privateuse1_backend("other")
    try:
        import torch_fl
    except ImportError as error:
        print(error)
    """
    assert "'other' has it" in output_of(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0")


def test_a_program_that_only_seeds_finds_no_device() -> None:
    program = """
    import torch, torch_fl
    torch.manual_seed(7)
    print(torch.ops.flagos.devices_found(), torch.flagos._is_in_bad_fork(), torch.flagos.is_initialized())
    print(torch.flagos.initial_seed())
    """
    assert output_of(program) == "False False False\n7"


def test_exit_while_tensors_and_streams_live() -> None:
    program = """
    import torch, torch_fl
    kept = [torch.ones(1000, device="flagos"), torch.flagos.Stream(), torch.flagos.Event()]
    kept[2].record(kept[1])
    """
    assert fresh(program).returncode == 0
