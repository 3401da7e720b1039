"""PyTorch's own operator, module and optimizer databases, run on a device and compared with the CPU.

`python -m tests.conformance --help` is the program; README.md is its page.
"""
