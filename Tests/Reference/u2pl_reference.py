"""U2PL in PyTorch, as the equations state it: the oracle the trainer is compared with.

It is written for clarity and float64 exactness, not for speed.  README.md beside it says how the
expected numbers are made from it.

Shapes: N images, C classes, D representation channels, H x W pixels of the input crop,
h x w pixels of the representation (layer1's size, about a quarter of the crop).
"""
import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

IGNORE = 255


# ---------------------------------------------------------------------------------------------
# Deterministic numbers: every tensor of a fixture comes from its name, so no weights are stored.

def fnv1a64(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def splitmix64(x):
    """x: uint64 array -> uint64 array."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def hashed(name, n):
    with np.errstate(over="ignore"):
        return splitmix64(np.uint64(fnv1a64(name)) + np.arange(n, dtype=np.uint64))


def uniform(name, shape):
    """float32 in [-1, 1), element i (row-major) = (hashed_i >> 40) / 2^23 - 1."""
    n = int(np.prod(shape))
    return ((hashed(name, n) >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32).reshape(shape)


def named_value(name, shape):
    """The fixture value of the parameter or buffer `name` (float32)."""
    u = uniform(name, shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith(("running_var", "bn.weight")) or (name.endswith(".weight") and len(shape) == 1):
        return (1 + np.float32(0.1) * u).astype(np.float32)
    if len(shape) == 1:  # biases and running means
        return (np.float32(0.1) * u).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (np.float32(math.sqrt(6.0 / fan_in)) * u).astype(np.float32)


def fill(model):
    for name, t in model.state_dict().items():
        t.copy_(torch.from_numpy(named_value(name, tuple(t.shape))).to(t.dtype))


def block_labels(name, n, size, classes, block=16, ignore_every=11):
    """int64 [n, size, size]: constant blocks; each block whose hash is a multiple of
    `ignore_every` is IGNORE."""
    b = -(-size // block)
    h = hashed(name, n * b * b).reshape(n, b, b)
    y = ((h >> np.uint64(8)) % np.uint64(classes)).astype(np.int64)
    y[h % np.uint64(ignore_every) == 0] = IGNORE
    return y.repeat(block, 1).repeat(block, 2)[:, :size, :size].copy()


def padding(name, n, size):
    """bool [n, size, size]: where a crop reaches beyond its image: up to a third of its rows at the
    bottom and of its columns on the right."""
    cut = (hashed(name, 2 * n) % np.uint64(size // 3)).astype(np.int64).reshape(n, 2)
    at = np.arange(size)
    return (at[None, :, None] >= size - cut[:, 0, None, None]) | (at[None, None, :] >= size - cut[:, 1, None, None])


# ---------------------------------------------------------------------------------------------
# Philox4x32-10, counter based: a draw depends on what it is for, never on who draws it.

def philox(key, counter):
    """key: (k0, k1); counter: uint32 array [n, 4] -> uint32 array [n, 4]."""
    c = counter.astype(np.uint64)
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    m0, m1, mask = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57), np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[:, 0] * m0, c[:, 2] * m1
        c = np.stack([(p1 >> np.uint64(32)) ^ c[:, 1] ^ k0, p1 & mask,
                      (p0 >> np.uint64(32)) ^ c[:, 3] ^ k1, p0 & mask], 1)
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & mask, (k1 + np.uint64(0xBB67AE85)) & mask
    return c.astype(np.uint32)


STREAM_ANCHOR, STREAM_NEGATIVE, STREAM_ENQUEUE, STREAM_MIXING, STREAM_DROPOUT, STREAM_COPY_PASTE = 1, 2, 3, 20, 21, 25


def draw_unit(seed, stream, step, item, index):
    """Numbers in [0, 1) for equally long arrays of items and indices: word 0 of philox / 2^32."""
    index = np.asarray(index, np.uint64)
    counter = np.zeros((len(index), 4), np.uint64)
    counter[:, 0], counter[:, 1], counter[:, 2], counter[:, 3] = index, item, step, stream
    return philox((seed & 0xFFFFFFFF, seed >> 32), counter)[:, 0] / 2.0**32


def draw_indices(seed, stream, step, cls, n, count):
    """n indices in [0, count), with replacement: word 0 of philox, scaled by multiply-shift."""
    counter = np.zeros((n, 4), np.uint64)
    counter[:, 0], counter[:, 1], counter[:, 2], counter[:, 3] = np.arange(n), cls, step, stream
    words = philox((seed & 0xFFFFFFFF, seed >> 32), counter)[:, 0].astype(np.uint64)
    return ((words * np.uint64(count)) >> np.uint64(32)).astype(np.int64)


# ---------------------------------------------------------------------------------------------
# The network: a dilated ResNet encoder and a DeepLabv3+ decoder with two heads (f and g).

def conv(i, o, k, stride=1, dilation=1, bias=False):
    return nn.Conv2d(i, o, k, stride, dilation * (k // 2), dilation, bias=bias)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, i, planes, stride, dilation, downsample):
        super().__init__()
        self.conv1, self.bn1 = conv(i, planes, 3, stride, dilation), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, 1, dilation), nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, i, planes, stride, dilation, downsample):
        super().__init__()
        self.conv1, self.bn1 = conv(i, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, stride, dilation), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv(planes, planes * 4, 1), nn.BatchNorm2d(planes * 4)
        self.downsample = downsample

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    """ResNet.  output_stride 8 dilates layer3 and layer4, 16 layer4 alone; multi_grid is (2, 2, 4).
    `width` multiplies every channel count, rounded to multiples of 8, at least 8."""
    LAYERS = {18: (BasicBlock, (2, 2, 2, 2)), 34: (BasicBlock, (3, 4, 6, 3)),
              50: (Bottleneck, (3, 4, 6, 3)), 101: (Bottleneck, (3, 4, 23, 3))}

    def __init__(self, depth, multi_grid, stem="deep", width=1.0, output_stride=8):
        super().__init__()
        block, counts = self.LAYERS[depth]
        c = lambda channels: max(8, int(math.floor(channels * width / 8 + 0.5)) * 8)
        if stem == "deep":
            self.conv1 = nn.Sequential(conv(3, c(64), 3, 2), nn.BatchNorm2d(c(64)), nn.ReLU(),
                                       conv(c(64), c(64), 3), nn.BatchNorm2d(c(64)), nn.ReLU(), conv(c(64), c(128), 3))
            self.width = c(128)
        else:
            self.conv1, self.width = conv(3, c(64), 7, 2), c(64)
        self.bn1 = nn.BatchNorm2d(self.width)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.dilation = 1
        self.layer1 = self._layer(block, c(64), counts[0], 1, False, [1] * 3)
        self.layer2 = self._layer(block, c(128), counts[1], 2, False, [1] * 8)
        self.layer3 = self._layer(block, c(256), counts[2], 2, output_stride == 8, [1] * 23)
        self.layer4 = self._layer(block, c(512), counts[3], 2, True, [2, 2, 4] if multi_grid else [1, 1, 1])
        self.channels = tuple(c(n) * block.expansion for n in (64, 256, 512))  # of layer1, layer3 and layer4

    def _layer(self, block, planes, count, stride, dilate, grid):
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        out, blocks = planes * block.expansion, []
        for n in range(count):
            down = None
            if n == 0 and (stride != 1 or self.width != out):
                down = nn.Sequential(nn.Conv2d(self.width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            blocks.append(block(self.width, planes, stride if n == 0 else 1,
                                (before if n == 0 else self.dilation) * grid[n], down))
            self.width = out
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x1 = self.layer1(x)
        x3 = self.layer3(self.layer2(x1))
        return x1, x3, self.layer4(x3)


def up(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def unit(i, o, k, dilation=1, bias=False):
    return nn.Sequential(conv(i, o, k, 1, dilation, bias), nn.BatchNorm2d(o), nn.ReLU())


class ASPP(nn.Module):
    def __init__(self, i, width, dilations):
        super().__init__()
        self.conv1 = nn.Sequential(nn.AdaptiveAvgPool2d(1), *unit(i, width, 1))
        self.conv2 = unit(i, width, 1)
        self.conv3, self.conv4, self.conv5 = (unit(i, width, 3, d) for d in dilations)

    def forward(self, x):
        return torch.cat((up(self.conv1(x), x.shape[-2:]), self.conv2(x), self.conv3(x), self.conv4(x),
                          self.conv5(x)), 1)


class ChannelDropout(nn.Module):
    """Sets whole channels of a sample to 0, and scales the others by 1 / (1 - rate).  A channel's draw
    depends on the seed, the step, the sample's global slot, the place in the network, and the network
    (0: student, 1: teacher).  `draws` is set by the trainer before each pass: (seed, step, network)."""

    def __init__(self, rate, layer):
        super().__init__()
        self.rate, self.layer, self.draws = rate, layer, None

    def forward(self, x):
        if not self.training or self.rate == 0:
            return x
        (seed, step, network), (n, channels) = self.draws, x.shape[:2]
        slot, channel = np.divmod(np.arange(n * channels, dtype=np.uint64), np.uint64(channels))
        u = draw_unit(seed, STREAM_DROPOUT, step, slot, np.uint64(network << 31 | self.layer << 20) + channel)
        keep = torch.from_numpy(u >= self.rate).view(n, channels, 1, 1)
        return x * keep / (1 - self.rate)


class Decoder(nn.Module):
    """`head` and the branches f and g; dropout layer 0 in the first, 1 and 2 in f, 3 and 4 in g."""

    def __init__(self, low, high, classes, width, features, dilations, dropout):
        super().__init__()
        drop = lambda layer: ChannelDropout(dropout, layer)
        self.low_conv = unit(low, width, 1, bias=True)
        self.aspp = ASPP(high, width, dilations)
        self.head = nn.Sequential(*unit(5 * width, width, 3), drop(0))
        branch = lambda o, layer: nn.Sequential(*unit(2 * width, width, 3, bias=True), drop(layer),
                                                *unit(width, width, 3, bias=True), drop(layer + 1),
                                                conv(width, o, 1, bias=True))
        self.classifier, self.representation = branch(classes, 1), branch(features, 3)

    def forward(self, x1, x4, representation):
        y = torch.cat((self.low_conv(x1), up(self.head(self.aspp(x4)), x1.shape[-2:])), 1)
        return self.classifier(y), self.representation(y) if representation else None


class Auxiliary(nn.Module):
    """The auxiliary head on layer3; dropout layer 5."""

    def __init__(self, i, width, classes, dropout):
        super().__init__()
        self.aux = nn.Sequential(*unit(i, width, 3, bias=True), ChannelDropout(dropout, 5),
                                 conv(width, classes, 1, bias=True))

    def forward(self, x3):
        return self.aux(x3)


class Segmenter(nn.Module):
    """x [N,3,H,W] -> logits [N,C,h,w], representation [N,D,h,w]."""

    def __init__(self, depth=50, classes=21, width=256, features=256, dilations=(12, 24, 36), multi_grid=True,
                 dropout=0.1, stem="deep", encoder_width=1.0, output_stride=8, auxiliary=False):
        super().__init__()
        self.encoder = Encoder(depth, multi_grid, stem, encoder_width, output_stride)
        low, middle, high = self.encoder.channels
        self.decoder = Decoder(low, high, classes, width, features, dilations, dropout)
        self.auxor = Auxiliary(middle, width, classes, dropout) if auxiliary else None

    def forward(self, x, representation=True):
        """The representation's head takes no part where nothing depends on it."""
        x1, _, x4 = self.encoder(x)
        return self.decoder(x1, x4, representation)

    def forward_student(self, x, representation=True):
        """The same, and the auxiliary head's logits at layer3's size, which only the student's loss needs."""
        x1, x3, x4 = self.encoder(x)
        return (*self.decoder(x1, x4, representation), None if self.auxor is None else self.auxor(x3))

    def set_draws(self, seed, step, network):
        for m in self.modules():
            if isinstance(m, ChannelDropout):
                m.draws = (seed, step, network)


# ---------------------------------------------------------------------------------------------
# The equations.

def alpha(alpha0, epoch, epochs, alpha_end=0):
    """Fraction of pixels taken as unreliable in `epoch` (counted from 0)."""
    return alpha_end + (alpha0 - alpha_end) * (1 - epoch / epochs)


def entropy(prob):
    """prob [N,C,H,W] -> nats [N,H,W]; 0 log 0 = 0."""
    return -torch.special.xlogy(prob, prob).sum(1)


def percentile(values, q):
    """q in [0, 100]; linear interpolation between order statistics (numpy's default)."""
    v = np.sort(np.asarray(values, np.float64))
    rank = (len(v) - 1) * q / 100
    lo = int(math.floor(rank))
    hi = min(lo + 1, len(v) - 1)
    return v[lo] + (v[hi] - v[lo]) * (rank - lo)


def supervised_loss(logits, y, weights=None):
    """Mean over every pixel of the global batch that is not IGNORE, weighted by the class of the pixel
    where there are weights.  logits at [H,W]."""
    return F.cross_entropy(logits, y, weights, ignore_index=IGNORE)


def dice_loss(logits, y, classes):
    """1 - the mean over the classes in the labels of 2 sum(p * [y = c]) / (sum(p) + sum([y = c])), sums over the pixels
    of the global batch that are not IGNORE.  logits at [H,W]."""
    counts = y != IGNORE
    p = logits.softmax(1).permute(0, 2, 3, 1)[counts]
    truth = F.one_hot(y[counts], classes).to(p.dtype)
    score = 2 * (p * truth).sum(0) / (p.sum(0) + truth.sum(0))
    return 1 - score[truth.sum(0) > 0].mean()


def keep_hardest(logits, y, threshold, min_kept):
    """Online hard-example mining: y without the pixels whose true class has a probability above both
    the threshold and the min_kept-th smallest of the global batch.  logits at [H,W]."""
    truth = torch.where(y == IGNORE, 0, y).unsqueeze(1)
    probability = logits.detach().softmax(1).gather(1, truth).squeeze(1)
    valid = probability[y != IGNORE].sort().values
    limit = max(threshold, float(valid[min(len(valid), min_kept) - 1]))
    return torch.where(probability > limit, IGNORE, y)


def unsupervised_loss(logits, y_hat, pixels):
    """lambda_u * L_u: the mean over reliable pixels times (pixels of images / reliable pixels). Padding is no pixel of an
    image; what CutOut has removed is."""
    reliable = (y_hat != IGNORE).sum()
    return F.cross_entropy(logits, y_hat, ignore_index=IGNORE) * (pixels / reliable)


def nearest(x, size):
    """x [N,H,W] -> [N,h,w], source index floor(i * H / h)."""
    iy = torch.tensor([i * x.shape[1] // size[0] for i in range(size[0])])
    ix = torch.tensor([i * x.shape[2] // size[1] for i in range(size[1])])
    return x[:, iy][:, :, ix]


def class_rank(prob):
    """prob [N,C,h,w] -> int [N,C,h,w], O(c): 0 for the most probable class, ties to the lower class."""
    order = torch.sort(prob, dim=1, descending=True, stable=True).indices
    return torch.empty_like(order).scatter_(1, order, torch.arange(prob.shape[1]).view(1, -1, 1, 1).expand_as(order))


class StrongView:
    """Mixing of unlabeled image i with i + 1 (the last with the first), of its pseudo-labels alike."""

    def __init__(self, cfg, step):
        self.kind, self.seed, self.step, self.published = cfg["mix"], cfg["seed"], step, "rectangle" in cfg["published"]
        self.happens = self.kind != "off" and self._draw(0xFFFFFFFF, 0) < cfg["mix_probability"]

    def _draw(self, slot, index):
        return float(draw_unit(self.seed, STREAM_MIXING, self.step, slot, [index])[0])

    def box(self, slot, h, w):
        """bool [h, w], true outside a rectangle of half the area."""
        narrowest = min(w, w // 2 + 1)
        widest = max(narrowest, w - 1) if self.published else w
        bw = narrowest + int(self._draw(slot, 1) * (widest - narrowest + 1))
        bh = min(h, int(np.round(h * w / 2 / bw) if self.published else math.floor(h * w / 2 / bw + 0.5)))
        left, top = int(self._draw(slot, 2) * (w - bw + 1)), int(self._draw(slot, 3) * (h - bh + 1))
        keep = torch.ones(h, w, dtype=torch.bool)
        keep[top:top + bh, left:left + bw] = False
        return keep

    def half_of_the_classes(self, slot, y):
        """bool [h, w], true where y is one of half (rounded down) of its classes."""
        present = [int(c) for c in y.unique() if c != IGNORE]
        chosen = sorted(present, key=lambda c: (self._draw(slot, 16 + c), c))[:len(present) // 2]
        return torch.isin(y, torch.tensor(chosen, dtype=y.dtype))

    def pasted(self, slot, y):
        """bool [h, w], true where the labeled image's y is one of half (rounded up) of its classes."""
        present = [int(c) for c in y.unique() if c != IGNORE]
        draw = lambda c: float(draw_unit(self.seed, STREAM_COPY_PASTE, self.step, slot, [c])[0])
        chosen = sorted(present, key=lambda c: (draw(c), c))[:(len(present) + 1) // 2]
        return torch.isin(y, torch.tensor(chosen, dtype=y.dtype))

    def apply(self, x, y, xl, yl):
        """x [N,3,H,W], y [N,H,W], and labeled images -> x and y mixed, and bool [N,H,W]: where y is now a true label."""
        known = torch.zeros(y.shape, dtype=torch.bool)
        if not self.happens:
            return x, y, known
        if self.kind == "copypaste":
            partner = [i * len(xl) // len(x) for i in range(len(x))]
            known = torch.stack([self.pasted(i, yl[p]) for i, p in enumerate(partner)])
            return torch.where(known.unsqueeze(1), xl[partner], x), torch.where(known, yl[partner], y), known
        keep = torch.stack([self.half_of_the_classes(i, y[i]) if self.kind == "classmix" else self.box(i, *y[i].shape)
                            for i in range(len(y))])
        if self.kind == "cutout":
            return torch.where(keep.unsqueeze(1), x, 0), torch.where(keep, y, IGNORE), known
        return torch.where(keep.unsqueeze(1), x, x.roll(-1, 0)), torch.where(keep, y, y.roll(-1, 0)), known


class MemoryBank:
    """Per class, a first-in first-out queue of at most `capacity[c]` negative vectors."""

    def __init__(self, capacity, features, dtype):
        self.capacity = capacity
        self.queue = [torch.zeros(0, features, dtype=dtype) for _ in capacity]

    def enqueue(self, cls, keys):
        self.queue[cls] = torch.cat((self.queue[cls], keys))[-self.capacity[cls]:]


def contrastive_loss(rep, rep_teacher, prob, label, pseudo, labeled, unreliable, bank, cfg, step, report=None,
                     positives=None):
    """rep, rep_teacher [N,D,h,w]; prob [N,C,h,w]; label [N,h,w] with IGNORE (ground truth, then the pseudo-labels of pixels
    that may be anchors); pseudo [N,h,w]: pseudo-labels before any was taken away; labeled: number of labeled images, which
    come first; unreliable bool [N,h,w], false on labeled images; positives: of the step before by class, all 0 at first, where
    they are averaged over steps.  cfg["published"]: which rows follow the published program."""
    n, c = prob.shape[:2]
    published = cfg["published"]
    z, zt = rep.permute(0, 2, 3, 1).reshape(-1, rep.shape[1]), rep_teacher.permute(0, 2, 3, 1).reshape(-1, rep.shape[1])
    rank = class_rank(prob)
    is_labeled = (torch.arange(n) < labeled).view(-1, 1, 1)
    total, terms, anchors, centers = torch.zeros((), dtype=rep.dtype), [], [], []
    for k in range(c):
        anchor = ((label == k) & (prob[:, k] > cfg["delta_p"])).flatten()
        of_labeled = (label != k) & (label != IGNORE) & (rank[:, k] < cfg["low_rank"])
        of_unlabeled = unreliable & (rank[:, k] >= cfg["low_rank"]) & (rank[:, k] < cfg["high_rank"])
        if "labeled_negatives" in published:
            of_labeled &= label == k
        if "unlabeled_negatives" in published:
            of_unlabeled &= pseudo == k
        negative = torch.where(is_labeled, of_labeled, of_unlabeled).flatten()
        keys = zt[negative]
        limit = None if "new_keys" in published else cfg["enqueue_per_step"]
        if limit is not None and len(keys) > limit:  # keep `limit` of them, in pixel order, drawn without regard to who holds them
            score = philox((cfg["seed"] & 0xFFFFFFFF, cfg["seed"] >> 32), np.stack(
                [np.arange(len(keys)), np.full(len(keys), k), np.full(len(keys), step),
                 np.full(len(keys), STREAM_ENQUEUE)], 1))[:, 0]
            keep = np.sort(np.argsort(score, kind="stable")[:limit])
            keys = keys[torch.from_numpy(keep)]
        bank.enqueue(k, keys)
        where = anchor.nonzero().flatten()
        if report is not None:
            report.append((len(where), int(negative.sum()), len(bank.queue[k])))
        anchors.append(where)
        centers.append((label == k).flatten().nonzero().flatten() if "anchors" in published else where)
    present = [k for k in range(c) if len(centers[k]) > 0]
    if "contrast_mean" in published and len(present) < 2:
        return total
    m, nn_, now = cfg["anchors"], cfg["negatives"], {}
    for i, k in enumerate(present):
        ka = i if "anchor_class" in published else k
        where = anchors[ka]
        if len(where) == 0 or len(bank.queue[k]) == 0:
            continue
        a = z[where[torch.from_numpy(draw_indices(cfg["seed"], STREAM_ANCHOR, step, ka, m, len(where)))]]
        positive = zt[centers[ka]].mean(0)
        if positives is not None:
            if positives.any():
                keep = min(1 - 1 / step, 0.999)
                positive = keep * positives[k] + (1 - keep) * positive
            now[k] = positive
        q = bank.queue[k][torch.from_numpy(
            draw_indices(cfg["seed"], STREAM_NEGATIVE, step, k, m * nn_, len(bank.queue[k])))].view(m, nn_, -1)
        keys_all = torch.cat((positive.view(1, 1, -1).expand(m, 1, -1), q), 1)
        logits = F.cosine_similarity(a.unsqueeze(1), keys_all, dim=2, eps=1e-8) / cfg["temperature"]
        terms.append(F.cross_entropy(logits, torch.zeros(m, dtype=torch.long)))
    if positives is not None and now:
        positives.zero_()
        for k, positive in now.items():
            positives[k] = positive
    return sum(terms, total) / (len(present) if "contrast_mean" in published else c)


class Trainer:
    """Student, teacher, bank and schedule; `step` is one training step on one global batch."""

    def __init__(self, cfg, dtype=torch.float64):
        self.cfg, self.dtype = cfg, dtype
        make = lambda: Segmenter(cfg["depth"], cfg["classes"], cfg["width"], cfg["features"],
                                 tuple(cfg["dilations"]), cfg["multi_grid"], cfg["dropout"], cfg["stem"],
                                 cfg["encoder_width"], cfg["output_stride"], cfg["auxiliary"])
        self.student, self.teacher = make(), make()
        fill(self.student)
        self.teacher.load_state_dict(self.student.state_dict())
        self.student.to(dtype), self.teacher.to(dtype)
        for p in self.teacher.parameters():
            p.requires_grad = False
        heads = [p for n, p in self.student.named_parameters() if not n.startswith("encoder.")]
        groups = [dict(params=self.student.encoder.parameters(), lr=cfg["lr"]),
                  dict(params=heads, lr=cfg["lr"] * cfg["head_lr_factor"])]
        self.base = [g["lr"] for g in groups]
        if cfg["optimizer"] == "adamw":
            self.optimizer = torch.optim.AdamW(groups, lr=cfg["lr"], betas=(0.9, 0.999), eps=1e-8,
                                               weight_decay=cfg["weight_decay"])
        else:
            self.optimizer = torch.optim.SGD(groups, lr=cfg["lr"], momentum=0.9, weight_decay=cfg["weight_decay"])
        self.bank = MemoryBank(cfg["capacity"], cfg["features"], dtype)
        self.positives = torch.zeros(cfg["classes"], cfg["features"], dtype=dtype) if cfg["anchor_ema"] else None
        self.k, self.j = 0, 0  # steps done, semi-supervised ones among them

    def step(self, xl, yl, xu, pad=None, report=None):
        """pad: bool [N,H,W], where the unlabeled crops reach beyond their images; None for nowhere."""
        cfg = self.cfg
        self.epoch, total = self.k // cfg["steps_per_epoch"], cfg["epochs"] * cfg["steps_per_epoch"]
        self.total = total
        factor = ((1 + math.cos(math.pi * self.k / total)) / 2 if cfg["schedule"] == "cosine"
                  else (1 - self.k / total) ** 0.9)
        factor *= min(1, (self.k + 1) / cfg["warmup_steps"]) if cfg["warmup_steps"] else 1
        for g, lr in zip(self.optimizer.param_groups, self.base):
            g["lr"] = lr * factor
        self.student.set_draws(cfg["seed"], self.k, 0), self.teacher.set_draws(cfg["seed"], self.k, 1)
        if self.epoch < cfg["supervised_epochs"]:
            row = self.supervised_step(xl, yl)
        else:
            row = self.semi_supervised_step(xl, yl, xu, pad, report)
        self.k += 1
        return dict(row, learning_rate=cfg["lr"] * factor)

    def supervised(self, logits, auxiliary, yl):
        """L_s of the main head, and of the auxiliary one times its weight.  Logits of the labeled images."""
        cfg, size = self.cfg, yl.shape[-2:]

        def term(logits, weights):
            large, y = up(logits, size), yl
            if cfg["ohem"] is not None:
                y = keep_hardest(large, y, cfg["ohem"]["threshold"], cfg["ohem"]["min_kept"])
            return supervised_loss(large, y, weights)

        weights = cfg["class_weights"]
        loss = term(logits, None if weights is None else torch.tensor(weights, dtype=self.dtype))
        if cfg["dice"] > 0:
            loss = loss + cfg["dice"] * dice_loss(up(logits, size), yl, cfg["classes"])
        return loss if auxiliary is None else loss + cfg["auxiliary_weight"] * term(auxiliary, None)

    def learn(self, loss):
        """Backward and SGD.  Returns the norm of the gradient where it is clipped.  Weight decay is on
        every parameter, also on those of a head that no loss depends on."""
        self.optimizer.zero_grad()
        loss.backward()
        parameters = list(self.student.parameters())
        for p in parameters:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        norm = None
        if self.cfg["clip_norm"] is not None:
            norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.cfg["clip_norm"]))
        self.optimizer.step()
        return norm

    def is_student(self):
        """Whether the teacher is the student, as in the published program in the first semi-supervised epoch: the copy shares
        the student's memory, so that the update moves both."""
        return "teacher_copy" in self.cfg["published"] and self.epoch == self.cfg["supervised_epochs"]

    def percentile(self, h, q):
        """Of entropies; the published program's are single-precision numbers."""
        if "percentiles" in self.cfg["published"]:
            return float(np.float32(np.percentile(h.numpy().astype(np.float32), np.float64(q))))
        return percentile(h.numpy(), q)

    def follow(self, j, buffers):
        """The teacher's average in its step j; of the running statistics too where `buffers`."""
        limit = self.cfg["ema_decay"]
        decay = min(1 - 1 / (j + 1), max(0.9, 1 - 3 / self.total) if limit == "auto" else limit)
        if self.is_student():
            decay = 0
        average = lambda t, s: t.mul_(decay).add_(s, alpha=1 - decay)
        with torch.no_grad():
            for t, s in zip(self.teacher.parameters(), self.student.parameters()):
                average(t, s)
            for t, s in zip(self.teacher.buffers(), self.student.buffers()) if buffers else ():
                if t.is_floating_point():
                    average(t, s)

    def thresholds(self, h, y_hat, considered, a):
        """gamma [N,H,W], the entropy at which each pixel is unreliable, and what to report of it: one percentile of all the
        considered pixels, or of those of each class."""
        q = 100 * (1 - a)
        if self.cfg["threshold"] == "global":
            gamma = self.percentile(h[considered], q)
            return torch.full_like(h, gamma), dict(gamma=float(gamma))
        gamma, found = torch.full_like(h, math.inf), []
        for c in range(self.cfg["classes"]):
            of_class = considered & (y_hat == c)
            found.append(float(self.percentile(h[of_class], q)) if of_class.any() else None)
            gamma[of_class] = math.inf if found[-1] is None else found[-1]
        return gamma, dict(gamma_of_class=found)

    def supervised_step(self, xl, yl):
        self.student.train()
        logits, _, auxiliary = self.student.forward_student(xl, representation=False)
        loss = self.supervised(logits, auxiliary, yl)
        if "supervised_teacher" in self.cfg["published"]:
            self.teacher.train()
            with torch.no_grad():
                self.teacher(xl)
        norm = self.learn(loss)
        if self.cfg["teacher_start"] == "beginning":
            self.follow(self.k, buffers=True)
        return dict(loss=loss.item(), supervised=loss.item(), unsupervised=0.0, contrastive=0.0, reliable=0,
                    gradient_norm=norm)

    def semi_supervised_step(self, xl, yl, xu, pad, report):
        cfg, size = self.cfg, yl.shape[-2:]
        published = cfg["published"]
        if self.is_student():
            for t, s in zip(self.teacher.parameters(), self.student.parameters()):
                t.data.copy_(s.data)
        elif "teacher_copy" not in published and self.j == 0 and cfg["teacher_start"] == "pseudo_labels":
            self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.eval()
        with torch.no_grad():  # the weak view
            prob = up(self.teacher(xu, representation=False)[0], size).softmax(1)
            pseudo = prob.argmax(1)
            if pad is not None and "padding" not in published:
                pseudo[pad] = IGNORE
            confidence = prob.max(1).values[pseudo != IGNORE].mean().item()
        xu, y_hat, known = StrongView(cfg, self.k).apply(xu, pseudo, xl, yl)
        x = torch.cat((xl, xu))
        self.student.train()
        logits, rep, auxiliary = self.student.forward_student(x)
        ls = self.supervised(logits[:len(xl)], None if auxiliary is None else auxiliary[:len(xl)], yl)
        self.teacher.train()
        with torch.no_grad():
            logits_t, rep_t = self.teacher(x)
            h = entropy(up(logits_t[len(xl):], size).softmax(1))
            a = alpha(cfg["alpha0"], self.epoch, cfg["epochs"], cfg["alpha_end"])
            labeled = y_hat != IGNORE
            considered = labeled & ~known
            if "percentiles" in published:
                h = h.float()
            gamma, reported = self.thresholds(h, y_hat, considered, a)
            mixed = y_hat
            y_hat = torch.where(considered & (h >= gamma), IGNORE, y_hat)
            small = logits.shape[-2:]
            may_be_anchors = y_hat
            if "anchors" in published:
                certain = known | (h <= self.percentile(h[considered], 100 * a))
                may_be_anchors = torch.where(certain, mixed, IGNORE)
            label = torch.cat((nearest(yl, small), nearest(may_be_anchors, small)))
            pseudo_small = torch.cat((nearest(yl, small), nearest(mixed, small)))
            above = h >= gamma if "unreliable" in published else h > gamma
            unreliable = torch.cat((torch.zeros(len(xl), *small, dtype=torch.bool), nearest(considered & above, small)))
        # Mixing moves padding with the image it belongs to.
        of_images = pseudo != IGNORE if cfg["mix"] == "cutout" else labeled
        trust = 1 if cfg["weight"] is None else cfg["weight"]
        lu = trust * unsupervised_loss(up(logits[len(xl):], size), y_hat, int(of_images.sum()))
        lc = contrastive_loss(rep, rep_t, logits_t.softmax(1), label, pseudo_small, len(xl), unreliable, self.bank, cfg,
                              self.k, report, self.positives)
        loss = ls + lu + cfg["lambda_c"] * trust * lc
        norm = self.learn(loss)
        self.follow(self.k if cfg["teacher_start"] == "beginning" else self.j, buffers=cfg["teacher_buffers"] == "ema")
        self.j += 1
        return dict(loss=loss.item(), supervised=ls.item(), unsupervised=lu.item(), contrastive=lc.item(),
                    **reported, alpha=a, reliable=int((y_hat != IGNORE).sum()), confidence=confidence,
                    gradient_norm=norm)


DEFAULTS = dict(depth=18, classes=6, width=64, features=64, dilations=[2, 4, 6], multi_grid=False, stem="deep",
                encoder_width=1.0, output_stride=8, auxiliary=False, dropout=0.0, mix="off", mix_probability=1.0, lr=0.01,
                head_lr_factor=1, weight_decay=1e-4, clip_norm=None, ohem=None, class_weights=None, auxiliary_weight=0.4,
                teacher_buffers="own", epochs=4, steps_per_epoch=3, supervised_epochs=0, alpha0=0.2, alpha_end=0, delta_p=0.1,
                low_rank=2, high_rank=5, anchors=32, negatives=16, temperature=0.5, enqueue_per_step=200, lambda_c=0.1,
                ema_decay=0.99, seed=7, padding=False, dice=0, threshold="global", weight=None, optimizer="sgd",
                schedule="poly", warmup_steps=0, teacher_start="pseudo_labels", published=[], anchor_ema=False)


def batch(cfg, size, nl, nu, step, dtype):
    """What `Trainer.step` takes.  Padding is 0 in the normalised image."""
    xl = torch.from_numpy(uniform(f"xl{step}", (nl, 3, size, size))).to(dtype) * 2
    xu = torch.from_numpy(uniform(f"xu{step}", (nu, 3, size, size))).to(dtype) * 2
    yl = torch.from_numpy(block_labels(f"yl{step}", nl, size, cfg["classes"]))
    if not cfg["padding"]:
        return xl, yl, xu
    pad = torch.from_numpy(padding(f"pad{step}", nu, size))
    return xl, yl, torch.where(pad.unsqueeze(1), 0, xu), pad
