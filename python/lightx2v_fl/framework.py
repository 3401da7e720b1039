"""What the operators ask LightX2V for, at the call and never at import: see Note [What register() may import]."""

from __future__ import annotations

from importlib import import_module

import torch


def device() -> str:
    """The device type that LightX2V computes on ("flagos"), once it has chosen one."""
    chosen = import_module("lightx2v_platform.base.global_var").AI_DEVICE
    if chosen is None:
        raise RuntimeError("lightx2v_fl: LightX2V has not chosen its device yet; `import lightx2v` does, by PLATFORM")
    return chosen


def inference_dtype() -> torch.dtype:
    """The dtype of activations (variable DTYPE)."""
    return import_module("lightx2v.utils.envs").GET_DTYPE()


def sensitive_dtype() -> torch.dtype:
    """The dtype of norms, embeddings and modulation (variable SENSITIVE_LAYER_DTYPE); mostly that of activations."""
    return import_module("lightx2v.utils.envs").GET_SENSITIVE_DTYPE()
