"""Tests for every platform: operators by mark (ops/), the operators of an inference (test_ops.py), Qwen3 end to end."""
