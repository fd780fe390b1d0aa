"""ResNets of torchvision and timm, dilated as U2PL's encoder is: the peers that `u2pl weights` is compared with.

    python3 -m venv .venv && .venv/bin/pip install torch torchvision timm safetensors numpy
    .venv/bin/python encoders.py expected > encoders.json     a few numbers of layer1's and layer4's maps, in float64
    .venv/bin/python encoders.py live LIBRARY DIR             weights with random values, an image and both maps, as
                                                              DIR/CASE.safetensors and DIR/CASE.maps.safetensors

In `expected` every tensor comes from its name, as in the other fixtures (Tests/TestSupport/Fixtures.swift); nothing is stored.
"""
import json
import math
import sys

import numpy as np
import torch

# Case: library, its name for the model, output stride, multi-grid.
CASES = {
    "resnet18": ("torchvision", "resnet18", 8, False),
    "resnet18-grid": ("timm", "resnet18", 8, True),
    "resnet50": ("torchvision", "resnet50", 8, False),
    "resnet50-grid": ("timm", "resnet50", 8, True),
    "resnet50-stride16": ("torchvision", "resnet50", 16, True),
    "resnet50s": ("timm", "resnet50s", 8, False),
    "resnet50s-grid": ("timm", "resnet50s", 8, True),
}
SIZE = 65


def hashed(name, n):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(n, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, shape):
    u = (hashed(name, math.prod(shape)) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return u.astype(np.float32).reshape(shape)


def named_value(name, shape):
    u, tenth = uniform(name, shape), np.float32(0.1)
    if name.endswith("running_var") or name.endswith(".weight") and len(shape) == 1:
        return 1 + tenth * u
    if len(shape) == 1:
        return tenth * u
    return np.float32(math.sqrt(6 / math.prod(shape[1:]))) * u


def build(library, name):
    if library == "timm":
        import timm
        return timm.create_model(name)
    import torchvision
    return torchvision.models.get_model(name, weights=None)


def dilate(model, output_stride, multi_grid):
    """Strides of layer3 (at 8) and layer4 become dilations; a layer's first block keeps the dilation before it."""
    model.maxpool.ceil_mode = True
    dilation = 1
    for number, layer in ((3, model.layer3), (4, model.layer4)):
        before = dilation
        if number == 3 and output_stride == 16:
            continue
        dilation *= 2
        for n, block in enumerate(layer):
            d = (before if n == 0 else dilation) * ((2, 2, 4)[n] if number == 4 and multi_grid else 1)
            for conv in block.modules():
                if isinstance(conv, torch.nn.Conv2d):
                    conv.stride = 1, 1
                    if conv.kernel_size == (3, 3):
                        conv.dilation = conv.padding = d, d


def maps(model, x):
    """Outputs of layer1 and layer4."""
    out = {}
    for name in ("layer1", "layer4"):
        getattr(model, name).register_forward_hook(lambda _m, _i, y, name=name: out.__setitem__(name, y.detach()))
    model.eval()
    with torch.no_grad():
        model(x)
    return out


def check_dilation():
    """`dilate` is what torchvision itself does where it can: bottlenecks, without multi-grid."""
    import torchvision
    ours = build("torchvision", "resnet50")
    dilate(ours, 8, False)
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    for a, b in zip(ours.modules(), theirs.modules()):
        if isinstance(a, torch.nn.Conv2d):
            assert (a.stride, a.padding, a.dilation) == (b.stride, b.padding, b.dilation)


def expected():
    check_dilation()
    result = []
    for case, (library, name, stride, grid) in CASES.items():
        model = build(library, name)
        dilate(model, stride, grid)
        for key, t in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                t.copy_(torch.from_numpy(named_value(key, tuple(t.shape))))
        x = torch.from_numpy(uniform("image", (1, 3, SIZE, SIZE)) * 2).double()
        entry = {"case": case, "depth": int(name[6:8]), "deep": name.endswith("s"), "output_stride": stride,
                 "multi_grid": grid}
        for layer, y in maps(model.double(), x).items():
            flat = y.numpy().ravel()
            at = [i * (flat.size - 1) // 15 for i in range(16)]
            entry[layer] = {"shape": list(y.shape), "norm": float(np.linalg.norm(flat)),
                            "largest": float(np.abs(flat).max()), "values": [float(flat[i]) for i in at]}
        result.append(entry)
    print(json.dumps(result, indent=1))


def live(wanted, directory):
    from safetensors.torch import save_file
    for case, (library, name, stride, grid) in CASES.items():
        if library != wanted:
            continue
        torch.manual_seed(len(case))
        model = build(library, name)
        for m in model.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                m.weight.data.uniform_(0.8, 1.2)
                m.bias.data.uniform_(-0.1, 0.1)
                m.running_mean.uniform_(-0.1, 0.1)
                m.running_var.uniform_(0.8, 1.2)
        save_file(model.state_dict(), f"{directory}/{case}.safetensors")
        dilate(model, stride, grid)
        x = torch.rand(1, 3, SIZE, SIZE) * 4 - 2
        out = maps(model.double(), x.double())
        save_file({"image": x} | {k: v.contiguous() for k, v in out.items()}, f"{directory}/{case}.maps.safetensors")


if __name__ == "__main__":
    if sys.argv[1:] == ["expected"]:
        expected()
    else:
        live(*sys.argv[2:])
