#!/usr/bin/env python3
"""One semi-supervised U²PL training step in PyTorch on the CPU, to be timed beside `u2pl bench step`.

It is written the way PyTorch is used well: whole batches, gathers instead of loops over pixels, in-place ReLU, a memory
bank of preallocated rings, one pass over the parameters for SGD and one for the teacher's average, nothing recorded
for the teacher. Batch statistics and percentiles are those of this one process. What a step computes, and the names of
the parameters, are those of the trainer, so both can be checked against the same numbers (--check).

    python3 -m venv peer && peer/bin/pip install numpy torch --index-url https://download.pytorch.org/whl/cpu
    peer/bin/python Benchmarks/pytorch_peer.py --encoder resnet50 --crop 257 --channels-last

Images are made before the clock starts: a step here never waits for data.
"""
import argparse
import json
import math
import os
import resource
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--encoder", default="resnet50", choices=["resnet18", "resnet34", "resnet50", "resnet101"])
    add("--crop", type=int, default=257, help="height and width of the images")
    add("--labeled", type=int, default=2, help="labeled images a step")
    add("--unlabeled", type=int, default=2, help="unlabeled images a step")
    add("--classes", type=int, default=12)
    add("--width", type=int, default=256, help="channels of decoder and representation")
    add("--threads", type=int, default=0, help="threads; all cores if not given")
    add("--channels-last", action="store_true", help="NHWC layout throughout, instead of NCHW")
    add("--steps", type=int, default=5, help="steps to time")
    add("--warmup", type=int, default=2, help="steps before those")
    add("--json", action="store_true", help="print one JSON object, with the keys of `u2pl bench step --json`")
    add("--check", metavar="DIR", help="compare with first-step.json, steps.json, networks.json there instead, in float64")
    options = parser.parse_args()
    if min(options.steps, options.labeled, options.unlabeled) < 1 or options.warmup < 0 or options.crop < 33:
        parser.error("--steps, --labeled, --unlabeled must be at least 1, --warmup 0, --crop 33")
    if not 2 <= options.classes <= 254:
        parser.error("--classes must be 2 to 254")
    return options


OPTIONS = arguments() if __name__ == "__main__" else None
if OPTIONS and OPTIONS.threads:
    # Before the libraries start their pools.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(OPTIONS.threads)

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    sys.exit(f"{sys.executable} has no {error.name}. To get it:\n"
             f"  {sys.executable} -m pip install numpy torch --index-url https://download.pytorch.org/whl/cpu\n"
             "or name another interpreter with U2PL_PYTHON=…/bin/python")

IGNORE = 255


# MARK: The network

def norm_relu(channels):
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def convolution(inputs, outputs, kernel, stride=1, dilation=1, bias=False):
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, bias=bias)


class Residual(nn.Module):
    """Two 3×3 convolutions, or 1×1, 3×3, 1×1 with four times the channels at the end, beside a skip connection."""

    def __init__(self, inputs, planes, bottleneck, stride, dilation):
        super().__init__()
        outputs = planes * 4 if bottleneck else planes
        if bottleneck:
            convolutions = [convolution(inputs, planes, 1), convolution(planes, planes, 3, stride, dilation),
                            convolution(planes, outputs, 1)]
        else:
            convolutions = [convolution(inputs, planes, 3, stride, dilation), convolution(planes, planes, 3, 1, dilation)]
        self.count = len(convolutions)
        for number, layer in enumerate(convolutions, 1):
            self.add_module(f"conv{number}", layer)
            self.add_module(f"bn{number}", nn.BatchNorm2d(layer.out_channels))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = F.relu_(y)
        y += x if self.downsample is None else self.downsample(x)
        return F.relu_(y)


class Encoder(nn.Module):
    """A ResNet with a stem of three 3×3 convolutions, dilated to an output stride of 8."""
    BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

    def __init__(self, depth, multi_grid):
        super().__init__()
        self.conv1 = nn.Sequential(convolution(3, 64, 3, stride=2), *norm_relu(64), convolution(64, 64, 3),
                                   *norm_relu(64), convolution(64, 128, 3))
        self.bn1 = nn.BatchNorm2d(128)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        bottleneck, channels, reached = depth >= 50, 128, 1
        for layer, (planes, count) in enumerate(zip((64, 128, 256, 512), self.BLOCKS[depth]), 1):
            stride = 2 if layer == 2 else 1
            before, reached = reached, reached * 2 if layer > 2 else reached
            blocks = []
            for block in range(count):
                grid = (2, 2, 4)[block] if layer == 4 and multi_grid else 1
                blocks.append(Residual(channels, planes, bottleneck, stride if block == 0 else 1,
                                       (before if block == 0 else reached) * grid))
                channels = planes * 4 if bottleneck else planes
            self.add_module(f"layer{layer}", nn.Sequential(*blocks))
        self.outputs = [planes * 4 if bottleneck else planes for planes in (64, 512)]

    def forward(self, x):
        low = self.layer1(self.maxpool(F.relu_(self.bn1(self.conv1(x)))))
        return low, self.layer4(self.layer3(self.layer2(low)))


def resize(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class Pyramid(nn.Module):
    """Image pooling, a 1×1, and a 3×3 for each dilation, side by side."""

    def __init__(self, inputs, width, dilations):
        super().__init__()
        self.conv1 = nn.Sequential(nn.AdaptiveAvgPool2d(1), convolution(inputs, width, 1), *norm_relu(width))
        self.conv2 = nn.Sequential(convolution(inputs, width, 1), *norm_relu(width))
        for number, dilation in enumerate(dilations, 3):
            self.add_module(f"conv{number}", nn.Sequential(
                convolution(inputs, width, 3, dilation=dilation), *norm_relu(width)))

    def forward(self, x):
        pooled, *branches = self.children()
        return torch.cat([resize(pooled(x), x.shape[-2:])] + [branch(x) for branch in branches], 1)


class Decoder(nn.Module):
    """DeepLabv3+ with a head for classes and one for the representation."""

    def __init__(self, low, high, classes, width, features, dilations, dropout):
        super().__init__()

        def head(outputs):
            return nn.Sequential(
                convolution(2 * width, width, 3, bias=True), *norm_relu(width), nn.Dropout2d(dropout),
                convolution(width, width, 3, bias=True), *norm_relu(width), nn.Dropout2d(dropout),
                convolution(width, outputs, 1, bias=True))
        self.low_conv = nn.Sequential(convolution(low, width, 1, bias=True), *norm_relu(width))
        self.aspp = Pyramid(high, width, dilations)
        self.head = nn.Sequential(convolution((2 + len(dilations)) * width, width, 3), *norm_relu(width),
                                  nn.Dropout2d(dropout))
        self.classifier, self.representation = head(classes), head(features)

    def forward(self, low, high, representation):
        context = resize(self.head(self.aspp(high)), low.shape[-2:])
        joined = torch.cat([self.low_conv(low), context], 1)
        return self.classifier(joined), self.representation(joined) if representation else None


class Segmenter(nn.Module):
    """x [N, 3, H, W] → logits [N, C, h, w], and the representation [N, D, h, w] where it is asked for."""

    def __init__(self, settings):
        super().__init__()
        self.encoder = Encoder(settings["depth"], settings["multi_grid"])
        low, high = self.encoder.outputs
        self.decoder = Decoder(low, high, settings["classes"], settings["width"], settings["features"],
                               settings["dilations"], settings["dropout"])

    def forward(self, x, representation=True):
        return self.decoder(*self.encoder(x), representation)

    def initialize(self):
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, Residual):
                nn.init.zeros_(getattr(module, f"bn{module.count}").weight)


# MARK: The memory bank and its draws

class LibraryDraws:
    """Draws of PyTorch's own generator, as a user would make them."""

    def indices(self, stream, step, number, count, below):
        return torch.randint(below, (count,))

    def kept(self, step, number, count, limit):
        return torch.randperm(count)[:limit].sort().values


class Ring:
    """First in, first out: unit vectors of one class, at most `capacity` of them. Pages are touched as it fills."""

    def __init__(self, capacity, features, dtype):
        self.capacity, self.oldest, self.count = capacity, 0, 0
        self.vectors = torch.empty(capacity, features, dtype=dtype)

    def append(self, keys):
        keys = keys[-self.capacity:]
        start = (self.oldest + self.count) % self.capacity
        head = min(len(keys), self.capacity - start)
        self.vectors[start:start + head] = keys[:head]
        self.vectors[:len(keys) - head] = keys[head:]
        surplus = max(0, self.count + len(keys) - self.capacity)
        self.oldest = (self.oldest + surplus) % self.capacity
        self.count += len(keys) - surplus

    def __getitem__(self, ages):
        return self.vectors[(ages + self.oldest) % self.capacity]


# MARK: The step

class Trainer:
    def __init__(self, settings, dtype=torch.float32, channels_last=False, draws=None):
        self.settings, self.draws, self.done = settings, draws or LibraryDraws(), 0
        layout = torch.channels_last if channels_last else torch.contiguous_format

        def network():
            return Segmenter(settings).to(dtype=dtype, memory_format=layout)
        self.student, self.teacher = network(), network().requires_grad_(False)
        self.student.initialize()
        self.teacher.load_state_dict(self.student.state_dict())
        self.rates = [settings["lr"], settings["lr"] * settings["head_lr_factor"]]
        parts = [self.student.encoder, self.student.decoder]
        self.optimizer = torch.optim.SGD(
            [dict(params=list(part.parameters()), lr=rate) for part, rate in zip(parts, self.rates)], lr=settings["lr"],
            momentum=0.9, weight_decay=settings["weight_decay"], **one_pass_sgd())
        self.pairs = list(self.teacher.parameters()), list(self.student.parameters())
        self.bank = [Ring(capacity, settings["features"], dtype) for capacity in settings["capacity"]]

    def step(self, labeled, labels, unlabeled, clock=lambda phase: None):
        """Images [N, 3, H, W], labels [N, H, W] with 255 where there is none. Returns what the step computed."""
        settings, size = self.settings, labels.shape[-2:]
        epoch = self.done // settings["steps_per_epoch"]
        share = 1 - self.done / (settings["epochs"] * settings["steps_per_epoch"])
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * share ** 0.9

        self.teacher.eval()
        with torch.no_grad():
            weak = resize(self.teacher(unlabeled, representation=False)[0], size)
            pseudo = weak.argmax(1)
            del weak
        clock("weak view")
        if settings["mix"] and torch.rand(()) < 0.5:
            unlabeled, pseudo = cutmix(unlabeled, pseudo)
        images = torch.cat([labeled, unlabeled])
        clock("mix")

        self.student.train()
        logits, representation = self.student(images)
        clock("student forward")
        self.teacher.train()
        with torch.no_grad():
            teacher_logits, teacher_representation = self.teacher(images)
        clock("teacher forward")

        count = len(labeled)
        large = resize(logits, size)
        supervised = F.cross_entropy(large[:count], labels, ignore_index=IGNORE)
        with torch.no_grad():
            probability = resize(teacher_logits[count:], size).softmax(1)
            entropy = torch.special.entr(probability).sum(1)
            del probability
            alpha = settings["alpha0"] * (1 - epoch / settings["epochs"])
            gamma = float(np.percentile(entropy.numpy(), 100 * (1 - alpha)))
            pseudo = pseudo.masked_fill(entropy >= gamma, IGNORE)
            reliable = int((pseudo != IGNORE).sum())
            unreliable = entropy > gamma
        unsupervised = large.sum() * 0
        if reliable:
            unsupervised = F.cross_entropy(large[count:], pseudo, ignore_index=IGNORE) * (pseudo.numel() / reliable)
        clock("pixel losses")
        contrastive, classes = self.contrast(
            representation, teacher_representation, teacher_logits, torch.cat([labels, pseudo]), unreliable, count)
        clock("contrastive loss")

        loss = supervised + unsupervised + settings["lambda_c"] * contrastive
        del logits, large, representation, teacher_logits, teacher_representation
        loss.backward()
        clock("backward")
        self.optimizer.step()
        if settings["keep_gradients"]:
            self.gradients = {name: p.grad.clone() for name, p in self.student.named_parameters()}
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(1 - 1 / (self.done + 1), settings["ema_decay"])
        with torch.no_grad():
            torch._foreach_lerp_(*self.pairs, 1 - decay)
        self.done += 1
        clock("update")
        return dict(loss=loss.item(), supervised=supervised.item(), unsupervised=unsupervised.item(),
                    contrastive=contrastive.item(), gamma=gamma, reliable=reliable, classes=classes)

    def contrast(self, representation, teacher_representation, teacher_logits, labels, unreliable, labeled):
        """L_c, and for each class its anchors, its new keys and the keys in the bank."""
        settings, (height, width) = self.settings, teacher_logits.shape[-2:]
        classes, features = teacher_logits.shape[1], representation.shape[1]

        def nearest(maps):
            rows = torch.arange(height) * maps.shape[1] // height
            columns = torch.arange(width) * maps.shape[2] // width
            return maps[:, rows[:, None], columns].flatten()

        def vectors(maps):
            return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])

        with torch.no_grad():
            label, first = nearest(labels)[:, None], labeled * height * width
            probability = vectors(teacher_logits).softmax(1)
            number = torch.arange(classes)
            order = probability.sort(dim=1, descending=True, stable=True).indices
            rank = torch.empty_like(order).scatter_(1, order, number.expand_as(order))
            anchor = (label == number) & (probability > settings["delta_p"])
            low, high = settings["low_rank"], settings["high_rank"]
            negative = torch.cat([
                (label[:first] != number) & (label[:first] != IGNORE) & (rank[:first] < low),
                nearest(unreliable)[:, None] & (rank[first:] >= low) & (rank[first:] < high)])
            anchor, negative = anchor.t().contiguous(), negative.t().contiguous()
            old = vectors(teacher_representation)
            report, active = [], []
            for c in range(classes):
                keys, anchors = negative[c].nonzero().flatten(), anchor[c].nonzero().flatten()
                new = len(keys)
                if new > settings["enqueue_per_step"]:
                    keys = keys[self.draws.kept(self.done, c, new, settings["enqueue_per_step"])]
                self.bank[c].append(F.normalize(old[keys], eps=1e-8))
                report.append([len(anchors), new, self.bank[c].count])
                if len(anchors) and self.bank[c].count:
                    active.append((c, anchors))
            if not active:
                return representation.new_zeros(()), report
            count, each = settings["anchors"], settings["negatives"]
            drawn = torch.cat([a[self.draws.indices(1, self.done, c, count, len(a))] for c, a in active])
        queries = F.normalize(vectors(representation)[drawn], eps=1e-8)
        terms = []
        for (c, anchors), query in zip(active, queries.split(count)):
            positive = F.normalize(old[anchors].mean(0), dim=0, eps=1e-8)
            ages = self.draws.indices(2, self.done, c, count * each, self.bank[c].count)
            keys = self.bank[c][ages].view(count, each, features)
            similarity = torch.cat([(query @ positive)[:, None], torch.bmm(keys, query[:, :, None])[:, :, 0]], 1)
            terms.append(F.cross_entropy(similarity / settings["temperature"], torch.zeros(count, dtype=torch.long)))
        return torch.stack(terms).sum() / classes, report


def one_pass_sgd():
    """SGD that reads and writes each parameter once, where this PyTorch has it for the CPU."""
    try:
        probe = torch.zeros(1, requires_grad=True)
        probe.grad = torch.zeros(1)
        torch.optim.SGD([probe], lr=0.1, fused=True).step()
        return dict(fused=True)
    except (RuntimeError, TypeError):
        return dict(foreach=True)


def cutmix(images, labels):
    """A rectangle of half the area of each image and its labels, from the next image."""
    height, width = labels.shape[-2:]
    inside = torch.zeros(len(images), height, width, dtype=torch.bool)
    for sample in inside:
        across = int(torch.randint(width // 2 + 1, width + 1, ()))
        down = min(height, round(height * width / 2 / across))
        left, top = (int(torch.randint(n + 1, ())) for n in (width - across, height - down))
        sample[top:top + down, left:left + across] = True
    return torch.where(inside[:, None], images.roll(-1, 0), images), torch.where(inside, labels.roll(-1, 0), labels)


# MARK: Timing

def scenes(count, size, classes, generator):
    """Images of coloured boxes on a background, with noise, and their labels."""
    colors = torch.rand(classes, 3, generator=generator) * 4 - 2
    labels = torch.zeros(count, size, size, dtype=torch.long)
    for sample in labels:
        for c in torch.randint(1, classes, (8,), generator=generator).tolist():
            (y, x), (h, w) = (torch.rand(2, 2, generator=generator) * torch.tensor([[size * 0.8], [size * 0.4]])).tolist()
            sample[int(y):int(y + h + 4), int(x):int(x + w + 4)] = c
    images = colors[labels].permute(0, 3, 1, 2) + torch.randn(count, 3, size, size, generator=generator) * 0.3
    return images, labels


def published_capacity(classes):
    return [50_000] + [30_000] * (classes - 1)


def measure(options):
    torch.manual_seed(0)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    total = options.steps + options.warmup
    trainer = Trainer(dict(
        depth=int(options.encoder[6:]), classes=options.classes, width=options.width, features=options.width,
        dilations=[12, 24, 36], multi_grid=True, dropout=0.1, lr=0.001, head_lr_factor=10, weight_decay=1e-4, epochs=1,
        steps_per_epoch=total, alpha0=0.2, delta_p=0.3, low_rank=3 if options.classes > 2 else 1, high_rank=20,
        anchors=256, negatives=50, temperature=0.5, capacity=published_capacity(options.classes), enqueue_per_step=4096,
        lambda_c=0.1, ema_decay=0.99, mix=True, keep_gradients=False), channels_last=options.channels_last)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(1)
    seconds, phases, active = [], {}, []
    for step in range(total):
        labeled, labels = scenes(options.labeled, options.crop, options.classes, generator)
        unlabeled, _ = scenes(options.unlabeled, options.crop, options.classes, generator)
        labeled, unlabeled = (x.contiguous(memory_format=layout) for x in (labeled, unlabeled))
        marks = [("", time.perf_counter())]
        report = trainer.step(labeled, labels, unlabeled, lambda phase: marks.append((phase, time.perf_counter())))
        if not math.isfinite(report["loss"]):
            sys.exit(f"step {step}: the loss is {report['loss']}")
        if step < options.warmup:
            continue
        seconds.append(marks[-1][1] - marks[0][1])
        active.append(sum(1 for anchors, _, keys in report["classes"] if anchors and keys))
        for (_, begin), (phase, end) in zip(marks, marks[1:]):
            phases.setdefault(phase, []).append(end - begin)
        if not options.json:
            print(f"step {step}  {seconds[-1]:.4f} s  loss {report['loss']:.4f}  γ {report['gamma']:.4f}  "
                  f"{active[-1]} classes contrasted", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = dict(
        seconds=seconds, median_seconds=median(seconds), phases={name: median(s) for name, s in phases.items()},
        threads=torch.get_num_threads(), ranks=1, peak_bytes=[peak], bytes_sent=0, start_bytes=start,
        layout="NHWC" if options.channels_last else "NCHW", contrasted_classes=active,
        optimizer=next(iter(one_pass_sgd())), **versions())
    if options.json:
        print(json.dumps(result, sort_keys=True))
        return
    for phase, value in result["phases"].items():
        print(f"{phase:18}{value:9.4f} s  {100 * value / result['median_seconds']:5.1f} %")
    print(f"{'step':18}{result['median_seconds']:9.4f} s  "
          f"{(options.labeled + options.unlabeled) / result['median_seconds']:.2f} images/s")
    print(f"peak memory       {peak / 2**30:9.2f} GiB, {start / 2**30:.2f} GiB of it before the first tensor")
    print(f"PyTorch {result['torch']}, oneDNN {result['onednn']}, {result['threads']} threads, {result['layout']}")


def median(values):
    return sorted(values)[len(values) // 2]


def versions():
    about = [line for line in torch.__config__.show().splitlines() if "MKL-DNN" in line or "oneDNN" in line]
    return dict(torch=torch.__version__, onednn=about[0].split(" v")[1].split()[0] if about else "none")


if __name__ == "__main__":
    if OPTIONS.threads:
        torch.set_num_threads(OPTIONS.threads)
    if OPTIONS.check:
        import pytorch_check
        sys.exit(0 if pytorch_check.check(OPTIONS.check, OPTIONS.channels_last) else 1)
    measure(OPTIONS)
