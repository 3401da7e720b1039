"""What the acceptance tests run in LightX2V itself: one process a program, since it reads its environment once.

    python -m tests.lightx2v.acceptance.programs NAME CHECKOUT FOLDER

prints one line of JSON, the program's findings, after a line "FINDINGS".
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tests.lightx2v import tiny_wan as wan

Findings = dict[str, Any]
PROGRAMS: dict[str, Callable[[str, Path], Findings]] = {}
OURS = (
    "flagos_flash_attn",
    "flagos",
    "flagos-fp8",
    "flagos-int8",
    "flagos_rms_norm",
    "flagos_layer_norm",
    "flagos_rope",
)
TABLES = ("ATTN_WEIGHT_REGISTER", "MM_WEIGHT_REGISTER", "RMS_WEIGHT_REGISTER", "LN_WEIGHT_REGISTER", "ROPE_REGISTER")


def program(function: Callable[[str, Path], Findings]) -> Callable[[str, Path], Findings]:
    PROGRAMS[function.__name__] = function
    return function


def _registered() -> dict[str, list[str]]:
    import lightx2v.utils.registry_factory as final
    from lightx2v_platform.registry_factory import PLATFORM_DEVICE_REGISTER

    tables = {table: sorted(getattr(final, table).keys()) for table in (*TABLES, "FUSED_MOE_REGISTER")}
    return {**tables, "DEVICES": sorted(PLATFORM_DEVICE_REGISTER.keys())}


@program
def registries(checkout: str, folder: Path) -> Findings:
    """`import lightx2v`, whole; register() again and again afterwards."""
    if os.environ.get("PLATFORM") == "ascend_npu":
        torch.npu = torch.cpu  # type: ignore[attr-defined]  a stand-in for the vendor's module
    # The runners ask more of torch.npu than its stand-in has; the tables do not need them.
    wan.open_framework(checkout, whole=os.environ.get("PLATFORM") != "ascend_npu")
    import lightx2v_platform.base.global_var as chosen

    first = _registered()
    if os.environ.get("WITHOUT_PLUGIN"):
        return {"tables": first, "device": chosen.AI_DEVICE, "torch_fl": "torch_fl" in sys.modules}
    import lightx2v_fl

    for _ in range(3):
        lightx2v_fl.register()
    undecided = [
        name
        for name, module in sys.modules.items()
        if name.startswith("lightx2v") and getattr(module, "AI_DEVICE", "") is None
    ]
    return {
        "tables": first,
        "again": _registered() == first,
        "undecided": undecided,
        "device": chosen.AI_DEVICE,
        "state": lightx2v_fl.registration.state(),
        "torch_fl": "torch_fl" in sys.modules,
    }


@program
def plugin_first(checkout: str, folder: Path) -> Findings:
    """`import lightx2v_fl` before LightX2V; with LIGHTX2V_FL_AUTO_REGISTER=0 by a call."""
    sys.path.insert(0, checkout)
    import lightx2v_fl

    before = dict(lightx2v_fl.registration.state())
    wan.open_framework(checkout)
    return {"before": before, "tables": _registered()}


@program
def after_a_failure(checkout: str, folder: Path) -> Findings:
    """A registration that failed half-way is completed by the next."""
    sys.path.insert(0, checkout)
    import lightx2v_fl
    from lightx2v_fl import registration

    module = registration.OPERATORS["flagos_rope"]
    registration.OPERATORS["flagos_rope"] = (*module[:2], "rope", "NoSuchClass")
    try:
        lightx2v_fl.register()
        failed = False
    except AttributeError:
        failed = True
    registration.OPERATORS["flagos_rope"] = module
    lightx2v_fl.register()
    wan.open_framework(checkout)
    return {"failed": failed, "tables": _registered()}


@program
def device(checkout: str, folder: Path) -> Findings:
    """The device class, torch.flagos as LightX2V uses it, checkpoints opened on the device, pinned memory."""
    wan.open_framework(checkout)
    import safetensors
    from lightx2v_fl.device import FlagosDevice
    from safetensors.torch import load_file, save_file

    names = "empty_cache synchronize stream current_stream Stream Event current_device manual_seed manual_seed_all "
    names += "mem_get_info memory_allocated memory_reserved max_memory_allocated max_memory_reserved "
    names += "reset_peak_memory_stats device_count is_initialized set_device is_available"
    file = str(folder / "tensors.safetensors")
    save_file({"a": torch.arange(6.0).reshape(2, 3)}, file)
    opened = {}
    for target in ("flagos", "flagos:0", torch.device("flagos"), torch.device("flagos:0"), 0, "cpu"):
        with safetensors.safe_open(file, framework="pt", device=target) as f:
            tensor, part = f.get_tensor("a"), f.get_slice("a")[1:]
            opened[str(target)] = [str(tensor.device), str(part.device), tensor.sum().item(), list(f.keys())]
    pinned = torch.empty(4, pin_memory=True)
    return {
        "device": FlagosDevice.get_device(),
        "available": FlagosDevice.is_available(),
        "missing": [name for name in names.split() if not hasattr(torch.flagos, name)],
        "opened": opened,
        "load_file": str(load_file(file, device="flagos")["a"].device),
        "pinned": [pinned.is_pinned(), torch.zeros(3).pin_memory().is_pinned()],
        "free, total": torch.flagos.mem_get_info(),
    }


@program
def against_built_in(checkout: str, folder: Path) -> Findings:
    """flagos operators against LightX2V's own on the same device with every operator on PyTorch's CPU kernels."""
    dtype = {"FP32": torch.float32}.get(os.environ.get("TINY_DTYPE", ""))
    wan.open_framework(checkout, dtype)
    from lightx2v.utils.envs import GET_DTYPE
    from torch_fl import routing

    found: Findings = {}
    with routing.override("*", "cpu"):
        for task in ("t2v", "i2v"):
            config = {**wan.CONFIG, "in_dim": 36} if task == "i2v" else wan.CONFIG
            place = wan.write(folder / task, wan.tensors(task, config=config), GET_DTYPE(), config=config)
            with _comparing_attention() as differing:
                theirs = wan.run(place, task, **wan.BUILT_IN)
            found[f"{task} attention"] = differing
            ours = wan.run(place, task, **wan.FLAGOS)
            torch.save({"ours": ours, "theirs": theirs}, folder / f"{task}.pt")
            found[task] = wan.relative(ours, theirs)
            found[f"{task} finite"] = bool(ours.isfinite().all())
        place = folder / "t2v"
        theirs = wan.run(place, **wan.BUILT_IN)
        plain = {"dit_quant_scheme": "Default", "dit_quantized": False}
        exact = {**wan.BUILT_IN, **{k: wan.FLAGOS[k] for k in wan.FLAGOS if "attn" in k or k == "rope_type"}, **plain}
        found["attention and rope"] = wan.relative(wan.run(place, **exact), theirs)
        found["wan2.2"] = wan.relative(
            wan.run(place, **wan.FLAGOS, model_cls="wan2.2"), wan.run(place, **wan.BUILT_IN, model_cls="wan2.2")
        )
        # From three steps on the scheduler's corrector solves a small system on the device.
        found["five steps"] = wan.relative(
            wan.run(place, **wan.FLAGOS, infer_steps=5), wan.run(place, **wan.BUILT_IN, infer_steps=5)
        )
    import lightx2v_fl

    found["report"] = [
        [supply.operator, supply.kernels, supply.why, supply.fallbacks] for supply in lightx2v_fl.report()
    ]
    return found


@contextmanager
def _comparing_attention() -> Iterator[dict[str, int]]:
    """Counts, for each call of the built-in attention, the elements of its result that ours does not give."""
    from lightx2v.common.ops.attn.torch_sdpa import TorchSDPAWeight
    from lightx2v_fl.ops.attention import FlashAttention

    counted = {"elements": 0, "differing": 0}
    built_in, ours = TorchSDPAWeight.apply, FlashAttention()

    def compare(self: Any, **given: Any) -> torch.Tensor:
        theirs = built_in(self, **given)
        counted["elements"] += theirs.numel()
        counted["differing"] += int((ours.apply(**given) != theirs).sum().item())
        return theirs

    TorchSDPAWeight.apply = compare
    try:
        yield counted
    finally:
        TorchSDPAWeight.apply = built_in


@program
def load_modes(checkout: str, folder: Path) -> Findings:
    """Resident against every way to keep weights elsewhere, for the plain and the quantised schemes."""
    dtype = {"FP32": torch.float32}.get(os.environ.get("TINY_DTYPE", ""))
    wan.open_framework(checkout, dtype)
    from lightx2v.utils.envs import GET_DTYPE

    weights = {**wan.CONFIG, "num_layers": 4}
    plain = wan.tensors(config=weights)
    found: Findings = {}
    for scheme, kind in (("flagos", None), ("flagos-int8", torch.int8), ("flagos-fp8", torch.float8_e4m3fn)):
        tensors = plain if kind is None else wan.quantised(plain, kind)
        # Scales in the dtype to which the eager loader would cast them, so that lazy loading sees the same numbers.
        tensors = {name: t.to(GET_DTYPE()).float() if name.endswith("_scale") else t for name, t in tensors.items()}
        whole = wan.write(folder / scheme, tensors, GET_DTYPE(), config=weights)
        lazy = wan.write(folder / f"{scheme}-lazy", tensors, GET_DTYPE(), lazy=True, config=weights)
        run = {**wan.FLAGOS, "dit_quant_scheme": scheme}
        resident = wan.run(whole, **run)
        for granularity in ("model", "block", "phase"):
            offload = {"cpu_offload": True, "offload_granularity": granularity}
            found[f"{scheme} {granularity}"] = torch.equal(wan.run(whole, **run, **offload), resident)
            if granularity != "model":
                found[f"{scheme} lazy {granularity}"] = torch.equal(
                    wan.run(lazy, **run, **offload, lazy_load=True), resident
                )
    return found


@program
def quantised(checkout: str, folder: Path) -> Findings:
    """Error of the quantised schemes against bf16, beside that of the explicit fp32 formula on the same weights."""
    wan.open_framework(checkout)
    from lightx2v.models.networks.wan.model import WanModel

    found: Findings = {"errors": []}
    for seed in range(5):
        plain = wan.tensors(seed=seed)
        exact = wan.run(wan.write(folder / f"plain{seed}", plain, torch.bfloat16), seed=seed, **wan.FLAGOS)
        row = {}
        for scheme, kind in (("flagos-int8", torch.int8), ("flagos-fp8", torch.float8_e4m3fn)):
            place = wan.write(folder / f"{scheme}{seed}", wan.quantised(plain, kind), torch.bfloat16)
            run = {**wan.FLAGOS, "dit_quant_scheme": scheme}
            ours = wan.relative(wan.run(place, seed=seed, **run), exact)
            formula = wan.relative(wan.run(place, seed=seed, prepare=_by_formula, **run), exact)
            row[scheme] = [ours, formula]
        row["flagos"] = wan.relative(wan.run(folder / f"plain{seed}", seed=seed, **wan.FLAGOS), exact)
        found["errors"].append(row)
    refused = []
    for scheme in ("flagos-int4", "int8", "Default"):
        model = WanModel.__new__(WanModel)
        model.config = {"dit_quant_scheme": scheme}
        try:
            model._check_dit_quantized()
        except AssertionError:
            refused.append(scheme)
    model.config = {"dit_quant_scheme": "int8-npu"}
    model._check_dit_quantized()
    return {**found, "refused": refused}


def _by_formula(model: Any) -> None:
    """Every quantised product of the model by the formula in fp32, with nothing of the plugin but its weights."""

    def apply(operator: Any) -> Any:
        def formula(x: torch.Tensor) -> torch.Tensor:
            weight = operator.weight.t().float()
            qmax = 127.0 if operator.weight.dtype == torch.int8 else 448.0
            wide = x.float()
            scale = wide.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / qmax
            q = (wide / scale).clamp(-qmax, qmax)
            q = q.round() if operator.weight.dtype == torch.int8 else q.to(operator.weight.dtype).float()
            y = (q @ weight.t()) * scale * operator.weight_scale.float().reshape(-1)
            return (y if operator.bias is None else y + operator.bias.float()).to(x.dtype)

        return formula

    def visit(module: Any) -> None:
        if hasattr(module, "weight_scale"):
            module.apply = apply(module)
        for child in getattr(module, "_modules", {}).values():
            visit(child)

    visit(model.transformer_weights)


@program
def dtypes(checkout: str, folder: Path) -> Findings:
    """A run in the dtypes of the environment; finite, and close to the built-in operators."""
    wan.open_framework(checkout)
    from lightx2v.utils.envs import GET_DTYPE

    config = {**wan.CONFIG, "in_dim": 36}
    place = wan.write(folder / "i2v", wan.tensors("i2v", config=config), GET_DTYPE(), config=config)
    # "sgl-kernel" is the built-in norm that gives the dtype of activations where sensitive layers have their own.
    theirs = wan.run(place, "i2v", **{**wan.BUILT_IN, "rms_norm_type": "sgl-kernel"})
    ours = wan.run(place, "i2v", **wan.FLAGOS)
    return {"relative": wan.relative(ours, theirs), "finite": bool(ours.isfinite().all()), "dtype": str(GET_DTYPE())}


@program
def lora(checkout: str, folder: Path) -> Findings:
    """A dynamic LoRA with differences on ours and on the built-in linear: registered, changed, removed."""
    wan.open_framework(checkout)
    from safetensors.torch import save_file

    place = wan.write(folder / "plain", wan.tensors(), torch.bfloat16)
    generator = torch.Generator().manual_seed(5)
    files = []
    for number in range(2):
        tensors = {}
        for block in range(2):
            for part, out, width in (("self_attn.q", 64, 64), ("ffn.0", 128, 64), ("cross_attn.o", 64, 64)):
                base = f"diffusion_model.blocks.{block}.{part}"
                tensors[f"{base}.lora_down.weight"] = torch.randn(4, width, generator=generator) * 0.1
                tensors[f"{base}.lora_up.weight"] = torch.randn(out, 4, generator=generator) * 0.1
                tensors[f"{base}.alpha"] = torch.tensor(2.0)
            tensors[f"diffusion_model.blocks.{block}.self_attn.k.diff"] = (
                torch.randn(64, 64, generator=generator) * 0.01
            )
        file = folder / f"lora{number}.safetensors"
        save_file({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, file)
        files.append(str(file))

    def run(operators: dict[str, Any], prepare: Any = None, **more: Any) -> torch.Tensor:
        options = {"lora_dynamic_apply": True, "lora_configs": [{"path": files[0], "strength": 1.0}], **more}
        return wan.run(place, prepare=prepare, lora_path=files[0], **operators, **options)

    # All but the linears are the same in both runs, so that they can be compared bit for bit.
    linear = {**wan.BUILT_IN, "dit_quant_scheme": "flagos", "dit_quantized": True}
    none = wan.run(place, **wan.BUILT_IN)
    found: Findings = {}
    steps = {
        "registered": None,
        "changed": lambda model: model.transformer_weights.update_lora(model._load_lora_file(files[1]), 0.5),
        "removed": lambda model: model.transformer_weights.remove_lora(),
    }
    for name, prepare in steps.items():
        theirs, ours = run(wan.BUILT_IN, prepare), run(linear, prepare)
        found[name] = [torch.equal(ours, theirs), wan.relative(ours, none)]
    offload = {"cpu_offload": True, "offload_granularity": "block"}
    found["block offload"] = torch.equal(run(linear, **offload), run(linear))
    return found


@program
def configs(checkout: str, folder: Path) -> Findings:
    """The shipped configs through set_config."""
    wan.open_framework(checkout)
    from types import SimpleNamespace

    import lightx2v_fl
    from lightx2v.utils.set_config import set_config

    config = {**wan.CONFIG, "in_dim": 36}
    wan.write(folder / "model", wan.tensors("i2v", config=config), torch.bfloat16, config=config)
    keys = _registered()
    known = {
        "self_attn_1_type": "ATTN_WEIGHT_REGISTER",
        "cross_attn_1_type": "ATTN_WEIGHT_REGISTER",
        "cross_attn_2_type": "ATTN_WEIGHT_REGISTER",
        "rms_norm_type": "RMS_WEIGHT_REGISTER",
        "layer_norm_type": "LN_WEIGHT_REGISTER",
        "rope_type": "ROPE_REGISTER",
        "dit_quant_scheme": "MM_WEIGHT_REGISTER",
    }
    found: Findings = {}
    for file in sorted((Path(lightx2v_fl.__file__).parent / "configs").glob("*.json")):
        task = "i2v" if "_i2v_" in file.name else "t2v"
        arguments = {"model_cls": "wan2.1", "task": task, "model_path": str(folder / "model"), "config_json": str(file)}
        config = set_config(SimpleNamespace(**arguments))
        wrong = {key: config.get(key) for key, table in known.items() if config.get(key) not in keys[table]}
        missing = [key for key in known if key not in config and not (key == "cross_attn_2_type" and task == "t2v")]
        found[file.name] = {"unknown": wrong if not missing else {**wrong, "missing": missing},
                            "modulate": config["modulate_type"], "text": file.read_text()}  # fmt: skip
    return found


@program
def strict(checkout: str, folder: Path) -> Findings:
    """With LIGHTX2V_FL_STRICT as the environment has it: a call that the first supplier refuses, and one that fails."""
    wan.open_framework(checkout)
    import lightx2v_fl
    from lightx2v.utils.registry_factory import ATTN_WEIGHT_REGISTER, RMS_WEIGHT_REGISTER

    operator = ATTN_WEIGHT_REGISTER["flagos_flash_attn"]()
    q = torch.randn(8, 2, 16, device="flagos")
    told: Findings = {}
    try:
        told["windowed"] = list(operator.apply(q, q, q, window_size=(2, 2)).shape)
    except NotImplementedError as error:
        told["windowed"] = str(error)
    from lightx2v_fl.kernels import normalisation

    native = normalisation.rms_norm._suppliers["native"]

    def fails(*_: Any) -> Any:
        raise NotImplementedError("this kernel is broken")

    normalisation.rms_norm._suppliers["native"] = type(native)(native.name, fails, native.refuses, native.why)
    norm = RMS_WEIGHT_REGISTER["flagos_rms_norm"](None)
    try:
        told["failing"] = [list(norm.apply(q).shape) for _ in range(2)]
    except NotImplementedError as error:
        told["failing"] = str(error)
    told["report"] = [[s.operator, s.kernels, s.calls, s.fallbacks, s.passed_over] for s in lightx2v_fl.report()]
    return told


@program
def global_gems(checkout: str, folder: Path) -> Findings:
    """What LIGHTX2V_FL_GLOBAL_GEMS did to the routes of the device."""
    wan.open_framework(checkout)
    if os.environ["PLATFORM"] not in ("flagos", "fl"):
        return {"torch_fl": "torch_fl" in sys.modules}
    from torch_fl import routing

    targets = {
        target.name: target.present for target in routing.targets() if target.name in ("flagos", "flagos_python")
    }
    return {"rules": [str(rule) for rule in routing.rules() if rule.place.source == "api"], "targets": targets}


@program
def runner(checkout: str, folder: Path) -> Findings:
    """The whole text-to-video runner with a random VAE: text in, frames out."""
    video = wan.make_video(checkout, folder, seed=7)
    again = wan.make_video(checkout, folder, seed=7)
    built_in = wan.make_video(checkout, folder, seed=7, operators=wan.BUILT_IN)
    return {
        "against built-in": wan.relative(video, built_in),
        "shape": list(video.shape),
        "finite": bool(video.isfinite().all()),
        "spread": video.std().item(),
        "repeats": torch.equal(video, again),
    }


def main() -> None:
    name, checkout, folder = sys.argv[1:]
    findings = PROGRAMS[name](checkout, Path(folder))
    sys.stdout.flush()
    print("FINDINGS")
    print(json.dumps(findings))


if __name__ == "__main__":
    main()
