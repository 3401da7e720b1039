"""The dtypes of a run, by the variables DTYPE and SENSITIVE_LAYER_DTYPE."""

import os

import torch

_NAMES = {"BF16": torch.bfloat16, "FP16": torch.float16, "FP32": torch.float32}


def GET_DTYPE():
    return _NAMES[os.environ.get("DTYPE", "BF16")]


def GET_SENSITIVE_DTYPE():
    name = os.environ.get("SENSITIVE_LAYER_DTYPE", "None")
    return GET_DTYPE() if name == "None" else _NAMES[name]
