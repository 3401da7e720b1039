"""Whole models on the device against the CPU, bit for bit. programs.py runs them, test_models.py judges."""
