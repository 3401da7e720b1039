"""Operators by platform: `anyplatform` tests run everywhere, the others where their kernels are."""
