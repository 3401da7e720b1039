"""A Wan 2.1 of two layers and 64 channels: its checkpoint, plain or quantised, and a run of it in the real framework.

The functions that run it need LightX2V on sys.path (see open_framework); those that write need PyTorch alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

CONFIG = {
    "model_type": "t2v",
    "dim": 64,
    "eps": 1e-6,
    "ffn_dim": 128,
    "freq_dim": 32,
    "in_dim": 16,
    "num_heads": 4,
    "num_layers": 2,
    "out_dim": 16,
    "text_len": 8,
}
TEXT_DIM = 32
CLIP_DIM = 1280
IMAGE_TOKENS = 257
LATENT = (16, 2, 4, 4)

FLAGOS = {
    "self_attn_1_type": "flagos_flash_attn",
    "cross_attn_1_type": "flagos_flash_attn",
    "cross_attn_2_type": "flagos_flash_attn",
    "rms_norm_type": "flagos_rms_norm",
    "layer_norm_type": "flagos_layer_norm",
    "rope_type": "flagos_rope",
    "dit_quant_scheme": "flagos",
    "dit_quantized": True,
}
# dit_quantized makes the framework take its loader for quantised checkpoints, which reads plain ones as well.
BUILT_IN = {
    "self_attn_1_type": "torch_sdpa",
    "cross_attn_1_type": "torch_sdpa",
    "cross_attn_2_type": "torch_sdpa",
    "rms_norm_type": "torch_native",
    "layer_norm_type": "torch",
    "rope_type": "torch_real_rope",
}
RUN = {
    "infer_steps": 2,
    "target_video_length": 5,
    "text_len": 8,
    "target_height": 32,
    "target_width": 32,
    "modulate_type": "torch",
    "sample_guide_scale": 6,
    "sample_shift": 8,
    "enable_cfg": True,
}


# ---- The checkpoint ----


def tensors(task: str = "t2v", seed: int = 0, config: dict[str, Any] = CONFIG) -> dict[str, Tensor]:
    """Random weights of a trained model's size: linears of variance 1 / inputs, norms about 1."""
    generator = torch.Generator().manual_seed(seed)
    dim, ffn = config["dim"], config["ffn_dim"]
    made: dict[str, Tensor] = {}

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def linear(name: str, outputs: int, inputs: int) -> None:
        made[f"{name}.weight"] = random(outputs, inputs, scale=inputs**-0.5)
        made[f"{name}.bias"] = random(outputs, scale=0.1)

    inputs = config["in_dim"]
    made["patch_embedding.weight"] = random(dim, inputs, 1, 2, 2, scale=(inputs * 4) ** -0.5)
    made["patch_embedding.bias"] = random(dim, scale=0.1)
    linear("text_embedding.0", dim, TEXT_DIM)
    linear("text_embedding.2", dim, dim)
    linear("time_embedding.0", dim, config["freq_dim"])
    linear("time_embedding.2", dim, dim)
    linear("time_projection.1", 6 * dim, dim)
    for block in range(config["num_layers"]):
        prefix = f"blocks.{block}"
        made[f"{prefix}.modulation"] = random(1, 6, dim, scale=dim**-0.5)
        for attention in ("self_attn", "cross_attn"):
            for part in "qkvo":
                linear(f"{prefix}.{attention}.{part}", dim, dim)
            for part in "qk":
                made[f"{prefix}.{attention}.norm_{part}.weight"] = 1 + random(dim, scale=0.1)
        if task == "i2v":
            for part in ("k_img", "v_img"):
                linear(f"{prefix}.cross_attn.{part}", dim, dim)
            made[f"{prefix}.cross_attn.norm_k_img.weight"] = 1 + random(dim, scale=0.1)
        made[f"{prefix}.norm3.weight"] = 1 + random(dim, scale=0.1)
        made[f"{prefix}.norm3.bias"] = random(dim, scale=0.1)
        linear(f"{prefix}.ffn.0", ffn, dim)
        linear(f"{prefix}.ffn.2", dim, ffn)
    linear("head.head", 64, dim)
    made["head.modulation"] = random(1, 2, dim, scale=dim**-0.5)
    if task == "i2v":
        for part, width in (("0", CLIP_DIM), ("4", dim)):
            made[f"img_emb.proj.{part}.weight"] = 1 + random(width, scale=0.1)
            made[f"img_emb.proj.{part}.bias"] = random(width, scale=0.1)
        linear("img_emb.proj.1", CLIP_DIM, CLIP_DIM)
        linear("img_emb.proj.3", dim, CLIP_DIM)
    return made


def quantised(plain: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The two-dimensional weights of the blocks in 8 bits with an fp32 scale [out, 1], as the framework's converter
    makes them.
    """
    qmax = 127.0 if dtype == torch.int8 else 448.0
    made: dict[str, Tensor] = {}
    for name, tensor in plain.items():
        if not name.startswith("blocks.") or tensor.dim() != 2 or not name.endswith(".weight"):
            made[name] = tensor
            continue
        scale = tensor.abs().amax(dim=1, keepdim=True).clamp(min=1e-5) / qmax
        quotient = (tensor / scale).clamp(-qmax, qmax)
        made[name] = (quotient.round() if dtype == torch.int8 else quotient).to(dtype)
        made[name.removesuffix(".weight") + ".weight_scale"] = scale
    return made


def write(
    folder: Path, weights: dict[str, Tensor], dtype: torch.dtype, lazy: bool = False, config: dict[str, Any] = CONFIG
) -> Path:
    """The checkpoint in `folder`: one file, or for lazy loading a file a block and one for the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    stored = {
        name: (
            tensor.to(dtype) if tensor.dtype == torch.float32 and not name.endswith("_scale") else tensor
        ).contiguous()
        for name, tensor in weights.items()
    }
    if not lazy:
        save_file(stored, folder / "model.safetensors")
        return folder
    for block in range(config["num_layers"]):
        own = {name: tensor for name, tensor in stored.items() if name.startswith(f"blocks.{block}.")}
        save_file(own, folder / f"block_{block}.safetensors")
    save_file({n: t for n, t in stored.items() if not n.startswith("blocks.")}, folder / "non_block.safetensors")
    return folder


# ---- The framework ----


def open_framework(checkout: str, dtype: torch.dtype | None = None, whole: bool = False) -> ModuleType:
    """Makes LightX2V importable and lets it choose its device. `whole`: by `import lightx2v`, with all its runners.

    dtype: computes in this one, fp32 too, which the variable DTYPE does not offer."""
    from tests.lightx2v import absent_modules

    absent_modules.install()
    sys.path.insert(0, checkout)
    if whole:
        return __import__("lightx2v")
    # The package without what its __init__ imports.
    package = ModuleType("lightx2v")
    package.__path__ = [str(Path(checkout) / "lightx2v")]
    sys.modules["lightx2v"] = package
    import lightx2v_platform.set_ai_device  # noqa: F401

    if dtype is not None:
        import lightx2v.utils.envs as envs

        envs.GET_DTYPE = lambda: dtype
        if not envs.os.getenv("SENSITIVE_LAYER_DTYPE"):
            envs.GET_SENSITIVE_DTYPE = lambda: dtype
    return package


def model_config(folder: Path, task: str = "t2v", **overrides: Any) -> dict[str, Any]:
    """What the framework's set_config would make of the tiny run and `overrides`."""
    return {
        **RUN,
        **json.loads((folder / "config.json").read_text()),
        "model_cls": "wan2.1",
        "task": task,
        "feature_caching": "NoCaching",
        "seq_parallel": False,
        "cfg_parallel": False,
        "parallel": False,
        "lora_configs": None,
        "cpu_offload": False,
        **({"in_dim": 36} if task == "i2v" else {}),
        **overrides,
    }


def inputs(task: str, dtype: torch.dtype, device: str, seed: int = 0) -> dict[str, Any]:
    """Encoded text, and for image-to-video an encoded image, at random."""
    generator = torch.Generator().manual_seed(1000 + seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype).to(device)

    image = None
    if task == "i2v":
        image = {"clip_encoder_out": random(IMAGE_TOKENS, CLIP_DIM), "vae_encoder_out": random(20, *LATENT[1:])}
    text = {name: random(1, CONFIG["text_len"], TEXT_DIM) for name in ("context", "context_null")}
    return {"text_encoder_output": text, "image_encoder_output": image}


def run(folder: Path, task: str = "t2v", seed: int = 0, prepare: Any = None, **overrides: Any) -> Tensor:
    """The latents after all steps, fp32 on the CPU. `prepare(model)` may change the model before the first step."""
    from lightx2v.models.networks.wan.model import WanModel
    from lightx2v.models.schedulers.wan.scheduler import WanScheduler
    from lightx2v.utils.envs import GET_DTYPE
    from lightx2v_platform.base.global_var import AI_DEVICE

    config = model_config(folder, task, **overrides)
    device = torch.device("cpu" if config["cpu_offload"] else AI_DEVICE)
    with torch.no_grad():
        model = WanModel(str(folder), config, device, lora_path=config.get("lora_path"))
        scheduler = WanScheduler(config)
        model.set_scheduler(scheduler)
        if prepare is not None:
            prepare(model)
        given = inputs(task, GET_DTYPE(), AI_DEVICE, seed)
        scheduler.prepare(seed, list(LATENT), None)
        for step in range(config["infer_steps"]):
            scheduler.step_pre(step)
            model.infer(given)
            scheduler.step_post()
        return scheduler.latents.float().cpu()


def relative(ours: Tensor, theirs: Tensor) -> float:
    """|ours - theirs| / |theirs| in the L2 norm."""
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()


def make_video(checkout: str, folder: Path, seed: int, operators: dict[str, Any] = FLAGOS, **overrides: Any) -> Tensor:
    """The frames [frames, height, width, 3] in 0..1 of LightX2V's text-to-video runner, from a random encoded text.

    Text encoder and tokenizer (billions of parameters) are left out; the VAE is random and of its real size."""
    from types import SimpleNamespace

    if "lightx2v" not in sys.modules:
        open_framework(checkout)
    from lightx2v.models.runners.wan.wan_runner import WanRunner
    from lightx2v.utils.envs import GET_DTYPE
    from lightx2v.utils.input_info import T2VInputInfo
    from lightx2v.utils.set_config import set_config
    from lightx2v.utils.utils import seed_all
    from lightx2v_platform.base.global_var import AI_DEVICE

    class EncodedText:
        def infer(self, texts: list[str]) -> list[Tensor]:
            generator = torch.Generator().manual_seed(1000 + seed + len(texts[0]))
            text = torch.randn(CONFIG["text_len"], TEXT_DIM, generator=generator)
            return [text.to(GET_DTYPE()).to(AI_DEVICE)]

    class TinyRunner(WanRunner):
        def load_text_encoder(self) -> list[EncodedText]:
            return [EncodedText()]

        def load_vae(self) -> Any:
            with self.config.temporarily_unlocked():
                self.config["dummy_model"] = True
            return super().load_vae()

    kinds = {"flagos-int8": torch.int8, "flagos-fp8": torch.float8_e4m3fn}
    plain, kind = tensors(seed=seed), kinds.get(str(operators.get("dit_quant_scheme")))
    place = write(folder / "video", plain if kind is None else quantised(plain, kind), torch.bfloat16)
    (place / "Wan2.1_VAE.pth").touch()  # named by the runner; the random VAE reads nothing
    run_config = folder / "run.json"
    run_config.write_text(json.dumps({**RUN, **operators, **overrides}))
    seed_all(seed)
    arguments = {"model_cls": "wan2.1", "task": "t2v", "model_path": str(place), "config_json": str(run_config)}
    with torch.no_grad():
        runner = TinyRunner(set_config(SimpleNamespace(**arguments)))
        runner.init_modules()
        asked = T2VInputInfo(seed=seed, prompt="a tiny clip", negative_prompt="", return_result_tensor=True)
        return runner.run_pipeline(asked)["video"].float().cpu()
