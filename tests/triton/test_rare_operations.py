"""Operations of tile IR that stock Triton's language does not write, run from text; `random_check` has all others."""

import torch
import triton

TEXT = """module {
  tt.func public @rare(%x: !tt.ptr<i32>, %y: !tt.ptr<i32>, %f: !tt.ptr<f32>, %out: !tt.ptr<i32>, %n: i32) {
    %size = arith.constant dense<64> : tensor<64xi32>
    %i = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>
    %xs = tt.splat %x : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>>
    %ys = tt.splat %y : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>>
    %fs = tt.splat %f : !tt.ptr<f32> -> tensor<64x!tt.ptr<f32>>
    %out0 = tt.splat %out : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>>
    %xp = tt.addptr %xs, %i : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    %yp = tt.addptr %ys, %i : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    %fp = tt.addptr %fs, %i : tensor<64x!tt.ptr<f32>>, tensor<64xi32>
    %p0 = tt.addptr %out0, %i : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    %a = tt.load %xp : tensor<64x!tt.ptr<i32>>
    %b = tt.load %yp : tensor<64x!tt.ptr<i32>>
    %v = tt.load %fp : tensor<64x!tt.ptr<f32>>
    %up = arith.ceildivsi %a, %b : tensor<64xi32>
    tt.store %p0, %up : tensor<64x!tt.ptr<i32>>
    cf.br ^bb1
  ^bb1:  // pred: ^bb0
    %down = arith.floordivsi %a, %b : tensor<64xi32>
    %p1 = tt.addptr %p0, %size : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    tt.store %p1, %down : tensor<64x!tt.ptr<i32>>
    %minus = arith.negf %v : tensor<64xf32>
    %minus_bits = arith.bitcast %minus : tensor<64xf32> to tensor<64xi32>
    %p2 = tt.addptr %p1, %size : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    tt.store %p2, %minus_bits : tensor<64x!tt.ptr<i32>>
    %tanh = math.tanh %v : tensor<64xf32>
    %tanh_bits = arith.bitcast %tanh : tensor<64xf32> to tensor<64xi32>
    %p3 = tt.addptr %p2, %size : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
    tt.store %p3, %tanh_bits : tensor<64x!tt.ptr<i32>>
    tt.return
  }
}
"""


def test_operations_that_only_text_has_are_lowered(tmp_path):
    path = tmp_path / "rare.ttir"
    path.write_text(TEXT)
    x = torch.arange(-32, 32, dtype=torch.int32)
    y = torch.tensor([1, -1, 2, -3, 7, -7, 16, 100] * 8, dtype=torch.int32)
    f = torch.linspace(-6, 6, 64)
    f[3] = 0.0
    out = torch.zeros(256, dtype=torch.int32)
    triton.compile(str(path))[(1, 1, 1)](x, y, f, out, 0)
    up, down, minus, tanh = out.split(64)
    assert torch.equal(up, -torch.div(-x, y, rounding_mode="floor"))
    assert torch.equal(down, torch.div(x, y, rounding_mode="floor"))
    assert torch.equal(minus.view(torch.float32), -f)
    assert torch.signbit(minus.view(torch.float32))[3]
    torch.testing.assert_close(tanh.view(torch.float32), torch.tanh(f), rtol=4e-7, atol=0)
