"""What compiled kernels store is what Triton's interpreter stores: a sample; `make test-long` checks 5,000 programs."""

from tests.triton import random_check


def test_random_programs_store_what_the_interpreter_stores():
    met = random_check.check(seed=1, count=60)
    assert len(met) > 40
