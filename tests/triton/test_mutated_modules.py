"""A sample of tests/triton/mutated_modules.py; `make test-long` runs ten thousand."""

from tests.triton import mutated_modules


def test_what_mutated_modules_become_is_valid_llvm_ir():
    assert mutated_modules.check(100, seed=1) == 100


def test_a_module_that_ends_the_child_is_found():
    good = next(iter(mutated_modules.lowered(1, seed=1)))
    bad = ("the bad one", "define void @bad() {\n  %x = add i32 1, %y\n  ret void\n}\n")
    module, said = mutated_modules.refused([good, bad, good])
    assert module == "the bad one"
    assert "failed to parse" in said
