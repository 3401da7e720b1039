"""The house rules that a machine can check, over the tracked files and the built libraries."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 600  # lines; the aim is 50 to 400

CXX = {".h", ".cc", ".c"}
TORCH_ROOMS = ("src/aten/", "src/c10d/")
TORCH_INCLUDE = re.compile(r'#\s*include\s*[<"](torch|ATen|c10|caffe2)/')
# Each costs seconds a file and drags in all of PyTorch.
SLOW_INCLUDE = re.compile(r'#\s*include\s*[<"](ATen/ATen\.h|torch/torch\.h|torch/extension\.h|torch/all\.h)[>"]')
GETENV = re.compile(r"\b(secure_)?getenv\b|\benviron\b")
CXX_PRINT = re.compile(r"\bprintf\s*\(|\bputs\s*\(|std::(cout|cerr|clog)\b|\bfprintf\s*\(\s*(stdout|stderr)\b")
PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
VENDOR = re.compile(
    r"cuda|cudart|cublas|nvidia|metax|maca\b|mcr_|ascend|cann\b|acl_?rt|npu\b|rocm|hip(Malloc|Stream)", re.IGNORECASE
)
# Where a vendor may be named: its driver and conf file, the environment table, the table of targets that are known
# before their driver is there, the one file that bridges PyTorch's own CUDA tensors, and tests. The build variables of
# the reference page are a table of names, too.
VENDOR_PLACES = re.compile(
    r"^(src/drivers/(cuda|metax|ascend|opencl)/|src/base/env_table\.cc$|src/drivers/vendors\.cc$|src/aten/cuda_tensors\.cc$|tests/|docs/|benchmarks/"
    r"|cmake/ReferenceVariables\.cmake$|pyproject\.toml$|requirements\.txt$|README\.md$|.*\.conf$)"
)


def tracked() -> list[str]:
    """Paths of the files that git knows and that are there."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def cxx_files(*folders: str) -> list[str]:
    return [name for name in tracked() if Path(name).suffix in CXX and name.startswith(folders or ("src/", "include/"))]


def python_files(*folders: str) -> list[str]:
    return [name for name in tracked() if name.endswith(".py") and name.startswith(folders)]


def without_comments(text: str) -> str:
    """C++ with comments blanked and lines kept, so that a rule about code does not fire on a sentence."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return pattern.sub(lambda m: m[0] if m[0].startswith('"') else "\n" * m[0].count("\n"), text)


def lines_matching(names: list[str], pattern: re.Pattern[str], *, comments: bool = False) -> list[str]:
    found = []
    for name in names:
        text = text_of(name) if comments else without_comments(text_of(name))
        found += [
            f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_the_environment_is_read_in_one_room_only() -> None:
    names = [name for name in cxx_files() if not re.match(r"src/base/env\w*\.(cc|h)$", name)]
    assert lines_matching(names, GETENV) == []


def test_python_reads_flagos_variables_through_the_table() -> None:
    # FLAGOS_LIBRARY_DIR says where the table itself lies.
    pattern = re.compile(r"""(environ(\.get)?|getenv)\s*[\[(]\s*["']FLAGOS_(?!LIBRARY_DIR)""")
    assert lines_matching(python_files("python/"), pattern, comments=True) == []


def test_torch_is_known_to_its_rooms_only() -> None:
    names = [name for name in cxx_files() if not name.startswith(TORCH_ROOMS)]
    assert lines_matching(names, TORCH_INCLUDE) == []


def test_no_header_that_drags_in_all_of_torch() -> None:
    assert lines_matching(cxx_files(), SLOW_INCLUDE) == []


def test_vendors_are_named_in_their_places_only() -> None:
    names = [name for name in cxx_files() if not VENDOR_PLACES.match(name)]
    assert lines_matching(names, VENDOR) == []


def test_nothing_prints_but_the_logger() -> None:
    names = [name for name in cxx_files("src/") if name != "src/drivers/conformance/main.cc"]
    assert lines_matching(names, CXX_PRINT) == []
    # In Python the command and the tools that it runs talk to a person; the package does not.
    printing = []
    for name in python_files("python/torch_fl/"):
        for node in ast.walk(ast.parse(text_of(name), name)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                printing.append(f"{name}:{node.lineno}")
    assert printing == []


def test_no_placeholder_is_left() -> None:
    names = [
        name for name in tracked() if Path(name).suffix in CXX | {".py", ".cmake", ".sh", ".txt", ".toml", ".conf"}
    ]
    assert (
        lines_matching([n for n in names if n != "tests/style/test_house_rules.py"], PLACEHOLDER, comments=True) == []
    )


@pytest.mark.parametrize("suffixes", [CXX, {".py"}, {".cmake", ".sh"}], ids=["c++", "python", "build"])
def test_a_file_is_one_idea(suffixes: set[str]) -> None:
    names = [name for name in tracked() if Path(name).suffix in suffixes]
    assert names
    counts = {name: len(text_of(name).splitlines()) for name in names}
    assert {name: count for name, count in counts.items() if count > LONGEST_FILE} == {}


def test_cxx_headers_say_what_they_are() -> None:
    names = [name for name in cxx_files() if name.endswith(".h")]
    assert [name for name in names if not text_of(name).lstrip().startswith(("//", "/*"))] == []


def test_no_catch_all() -> None:
    names = python_files("python/", "tests/", "benchmarks/", "examples/")
    assert lines_matching(names, re.compile(r"^\s*except\s*:"), comments=True) == []
    # In C++ it may clean up and throw on, or stand around the code of a stranger: a driver's library.
    around_drivers = ("src/runtime/driver_open.cc", "src/runtime/probe.cc", "src/drivers/conformance/")
    swallowed = [
        name
        for name in cxx_files()
        if not name.startswith(around_drivers)
        for block in re.findall(r"catch\s*\(\s*\.\.\.\s*\)\s*{([^}]*)}", without_comments(text_of(name)))
        if "throw;" not in block
    ]
    assert swallowed == []


def test_no_path_of_a_machine() -> None:
    pattern = re.compile(r"/(home|root|Users|work)/[a-z]")
    names = [
        name
        for name in tracked()
        if Path(name).suffix in CXX | {".py", ".cmake", ".sh", ".toml", ".md", ".conf", ".txt"}
    ]
    assert lines_matching([n for n in names if n != "tests/style/test_house_rules.py"], pattern, comments=True) == []


def libraries() -> list[Path]:
    from flagos import libraries as found

    return [found.folder() / found.CORE, *found.built_for().values()]


# What may leave a library: the C ABI, the driver entry, and the stream of the reference page.
EXPORTED = re.compile(r"^(fl_\w+|GetCurrentStream)$")


@pytest.mark.parametrize("library", libraries(), ids=lambda path: path.name)
def test_only_the_c_abi_leaves_a_library(library: Path) -> None:
    names = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", library], check=True, capture_output=True, text=True
    )
    exported = [line.split()[0].split("@")[0] for line in names.stdout.splitlines()]
    assert exported, f"{library} exports nothing"
    assert [name for name in exported if not EXPORTED.match(name)] == []


@pytest.mark.parametrize("library", libraries(), ids=lambda path: path.name)
def test_a_library_links_what_every_python_has(library: Path) -> None:
    out = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", out))
    system = {"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
    of_torch = {"libc10.so", "libtorch_cpu.so", "libflagos.so"} if library.name.startswith("libtorch_fl") else set()
    assert needed <= system | of_torch
