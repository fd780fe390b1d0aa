"""Compares pytorch_peer.py with expected numbers, in float64: `pytorch_peer.py --check DIR`.

DIR holds first-step.json, steps.json and networks.json, which `Tests/Reference/make_expected.py peer DIR` writes: what a
program written for exactness has computed for networks and images that follow from their names.
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch

from pytorch_peer import IGNORE, Segmenter, Trainer


class Fixtures:
    """Tensors that follow from their names, and the draws of the trainer: what the expected numbers were made with."""
    MASK = (1 << 64) - 1

    @classmethod
    def words(cls, name, count):
        """SplitMix64 of the FNV-1a hash of the name, plus the position."""
        seed = 0xCBF29CE484222325
        for byte in name.encode():
            seed = (seed ^ byte) * 0x100000001B3 & cls.MASK
        with np.errstate(over="ignore"):
            x = np.arange(count, dtype=np.uint64) + np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15)
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                x = (x ^ x >> np.uint64(shift)) * np.uint64(factor)
        return x ^ x >> np.uint64(31)

    @classmethod
    def uniform(cls, name, shape):
        """float32 in [-1, 1): the upper 24 bits of each word."""
        upper = (cls.words(name, math.prod(shape)) >> np.uint64(40)).astype(np.float64)
        return (upper / (1 << 23) - 1).astype(np.float32).reshape(shape)

    @classmethod
    def fill(cls, network):
        """Around 1 for the weights and variances of batch norm, small for biases and means, uniform with variance
        2 / fan-in for kernels."""
        for name, tensor in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
                continue
            value = cls.uniform(name, tuple(tensor.shape))
            if tensor.dim() == 1:
                value = value * np.float32(0.1)
                if name.endswith((".weight", "running_var")):
                    value = np.float32(1) + value
            else:
                value = np.float32(math.sqrt(6 / math.prod(tensor.shape[1:]))) * value
            tensor.copy_(torch.from_numpy(value))

    @classmethod
    def batch(cls, step, size, labeled, unlabeled, classes):
        blocks = (size + 15) // 16
        words = cls.words(f"yl{step}", labeled * blocks * blocks).reshape(labeled, blocks, blocks)
        coarse = np.where(words % np.uint64(11) == 0, IGNORE, (words >> np.uint64(8)) % np.uint64(classes))
        labels = np.kron(coarse.astype(np.int64), np.ones((1, 16, 16), np.int64))[:, :size, :size]
        images = (torch.from_numpy(cls.uniform(f"{name}{step}", (count, 3, size, size))).double() * 2
                  for name, count in (("xl", labeled), ("xu", unlabeled)))
        return next(images), torch.from_numpy(labels.copy()), next(images)


class CountedDraws:
    """Philox4x32-10 (Salmon et al. 2011) by (index, class, step, stream)."""

    def __init__(self, seed):
        self.seed = seed

    def words(self, stream, step, number, count):
        low = 0xFFFFFFFF
        counter = [np.arange(count, dtype=np.uint64)] + [np.full(count, v, np.uint64) for v in (number, step, stream)]
        key = [self.seed & low, self.seed >> 32]
        for _ in range(10):
            first, second = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
            counter = [second >> np.uint64(32) ^ counter[1] ^ np.uint64(key[0]), second & np.uint64(low),
                       first >> np.uint64(32) ^ counter[3] ^ np.uint64(key[1]), first & np.uint64(low)]
            key = [key[0] + 0x9E3779B9 & low, key[1] + 0xBB67AE85 & low]
        return counter[0]

    def indices(self, stream, step, number, count, below):
        words = self.words(stream, step, number, count)
        return torch.from_numpy((words * np.uint64(below) >> np.uint64(32)).astype(np.int64))

    def kept(self, step, number, count, limit):
        return torch.from_numpy(np.sort(np.argsort(self.words(3, step, number, count), kind="stable")[:limit]))


class Check:
    """Greatest relative deviations from the expected numbers, by what they are of."""
    TOLERANCE = 1e-6

    def __init__(self):
        self.greatest = {}

    def note(self, what, value, expected, scale=None):
        deviation = abs(value - expected) / (abs(expected) if scale is None else scale) if value != expected else 0.0
        deviation = math.inf if math.isnan(deviation) else deviation
        count, worst = self.greatest.get(what, (0, 0.0))
        self.greatest[what] = count + 1, max(worst, deviation)

    def tensor(self, what, tensor, probe, floor=0.0):
        """Norm and some entries; entries in relation to the root mean square, which is taken as at least `floor`."""
        if list(tensor.shape) != probe["shape"]:
            sys.exit(f"{what}: the shape is {list(tensor.shape)}, expected {probe['shape']}")
        flat = tensor.detach().contiguous().flatten().double()
        scale = max(probe["norm"] / math.sqrt(len(flat)), floor, 1e-300)
        self.note(what, float(flat.norm()), probe["norm"], scale * math.sqrt(len(flat)))
        for at, value in zip(probe["at"], probe["values"]):
            self.note(what, float(flat[at]), value, max(abs(value), scale))

    def step(self, case, report, expected):
        for term in ("loss", "supervised", "unsupervised", "contrastive", "gamma"):
            self.note(f"{case}: {term}", report[term], expected[term])
        self.note(f"{case}: counts", float(report["reliable"]), float(expected["reliable"]))
        for ours, theirs in zip(report["classes"], expected["classes"], strict=True):
            for a, b in zip(ours, theirs, strict=True):
                self.note(f"{case}: counts", float(a), float(b), max(b, 1))

    def report(self):
        for what, (count, worst) in self.greatest.items():
            print(f"{what:40}{count:7} numbers, greatest relative deviation {worst:.1e}")
        worst = max(worst for _, worst in self.greatest.values())
        passed = worst <= self.TOLERANCE
        print(f"greatest of all {worst:.1e}, allowed {self.TOLERANCE:.0e}: {'passed' if passed else 'FAILED'}")
        return passed


def check(directory, channels_last):
    """Networks, gradients, parameters and steps in float64 against the expected numbers. True where all agree."""
    def expected(name):
        path = pathlib.Path(directory) / name
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            sys.exit(f"{path}: {error}; --check takes the directory with the expected numbers")

    def trainer(config):
        settings = dict(config, mix=False, keep_gradients=True)
        made = Trainer(settings, torch.float64, channels_last, CountedDraws(config["seed"]))
        Fixtures.fill(made.student)
        Fixtures.fill(made.teacher)
        return made

    def batch(step, case):
        return Fixtures.batch(step, case["size"], case["labeled"], case["unlabeled"], case["config"]["classes"])

    result = Check()
    for case in expected("networks.json"):
        name = f"resnet{case['depth']} at {case['size']}"
        network = Segmenter(dict(case, dropout=0.0)).double()
        Fixtures.fill(network)
        x = torch.from_numpy(Fixtures.uniform(f"x{case['size']}", (2, 3, case["size"], case["size"]))).double() * 2
        with torch.no_grad():
            for mode in ("evaluation", "training"):
                for tensor, probe in zip(network.train(mode == "training")(x), case[mode], strict=True):
                    result.tensor(f"{name}: outputs", tensor, probe)
        for buffer in ("running_mean", "running_var"):
            result.tensor(f"{name}: statistics", getattr(network.encoder.bn1, buffer), case[buffer])

    case = expected("first-step.json")
    made = trainer(case["config"])
    result.step("first step", made.step(*batch(0, case)), case["result"] | dict(classes=case["classes"]))
    # A bias before a batch norm has no effect: its gradient is 0 but for rounding, and is held against the others.
    floor = 1e-6 * max(probe["norm"] for probe in case["gradient"].values())
    for name, probe in case["gradient"].items():
        result.tensor("first step: gradients", made.gradients[name], probe, floor)
    for part, network in (("student", made.student), ("teacher", made.teacher)):
        state = network.state_dict()
        for name, probe in case[part].items():
            result.tensor(f"first step: {part} after it", state[name], probe)

    for case in expected("steps.json"):
        made = trainer(case["config"])
        for step, row in enumerate(case["steps"][:2]):
            result.step(f"{case['name']}, step {step}", made.step(*batch(step, case)), row)
    return result.report()
