"""A clip by LightX2V on the device flagos, on any machine: a Wan 2.1 of two layers with random weights.

    python examples/lightx2v_tiny.py --lightx2v path/to/LightX2V --out clip

LightX2V's own text-to-video runner, scheduler, transformer and VAE run; the text encoder (billions of parameters) is
replaced by random embeddings, so the clip shows moving textures, not a scene. Needs a checkout of
github.com/ModelTC/LightX2V and the packages einops, loguru and pillow; what else LightX2V imports and this run does not
use may be missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMES = ("flagos", "flagos-int8", "flagos-fp8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lightx2v", default=os.environ.get("LIGHTX2V"), help="the checkout (default: $LIGHTX2V)")
    parser.add_argument("--out", type=Path, default=Path("clip"), help="folder for frame_*.png and clip.gif (clip)")
    parser.add_argument("--frames", type=int, default=9, help="frames, one more than a multiple of 4 (9)")
    parser.add_argument("--size", type=int, default=64, help="height and width, a multiple of 16 (64)")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps (4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scheme", choices=SCHEMES, default="flagos", help="weights of the linear layers (flagos)")
    parser.add_argument("--scale", type=int, default=4, help="how much larger the pictures are written (4)")
    options = parser.parse_args()
    if not options.lightx2v:
        parser.error("--lightx2v: expected a checkout of github.com/ModelTC/LightX2V, here or in the variable LIGHTX2V")
    if not (Path(options.lightx2v) / "lightx2v_platform").is_dir():
        parser.error(
            f"--lightx2v: {options.lightx2v!r} is no checkout of LightX2V (it has no folder lightx2v_platform)"
        )
    if options.frames % 4 != 1 or options.frames < 1:
        parser.error(f"--frames: {options.frames} is not one more than a multiple of 4")
    if options.size % 16 or options.size < 16:
        parser.error(f"--size: {options.size} is no multiple of 16")
    return options


def main() -> int:
    options = arguments()
    os.environ["PLATFORM"] = "flagos"
    sys.path[:0] = [str(ROOT), options.lightx2v]
    import lightx2v_fl
    from PIL import Image

    from tests.lightx2v import tiny_wan

    run = {
        "infer_steps": options.steps,
        "target_video_length": options.frames,
        "target_height": options.size,
        "target_width": options.size,
    }
    with tempfile.TemporaryDirectory() as folder:
        video = tiny_wan.make_video(
            options.lightx2v, Path(folder), options.seed, {**tiny_wan.FLAGOS, "dit_quant_scheme": options.scheme}, **run
        )
    options.out.mkdir(parents=True, exist_ok=True)
    side = options.size * options.scale
    pictures = [
        Image.fromarray((frame.clamp(0, 1) * 255).round().byte().numpy()).resize((side, side), Image.Resampling.NEAREST)
        for frame in video
    ]
    for number, picture in enumerate(pictures):
        picture.save(options.out / f"frame_{number:03d}.png")
    pictures[0].save(options.out / "clip.gif", save_all=True, append_images=pictures[1:], duration=125, loop=0)
    print(lightx2v_fl.report())
    print(f"{len(pictures)} frames of {side} x {side} and clip.gif are in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
