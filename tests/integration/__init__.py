"""Tests that run on every platform: operators by mark (ops/), operators of an inference (test_ops.py), Qwen3 end to end."""
