"""Writes the numbers that the tests compare the trainer with: what u2pl_reference.py computes in float64.

    python make_expected.py                     all of them
    python make_expected.py pixels networks     some
    python make_expected.py steps cutmix        training steps of some cases alone
    python make_expected.py peer DIR            what Benchmarks/pytorch_peer.py --check DIR reads, into DIR
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch

import u2pl_reference as R

TESTS = pathlib.Path(__file__).resolve().parent.parent


def probe(t):
    """L2 norm, and eight entries at evenly spread positions of the flattened (NCHW) tensor."""
    f = t.detach().double().flatten()
    at = [i * (len(f) - 1) // 7 for i in range(8)]
    return dict(shape=list(t.shape), norm=float(f.norm()), at=at, values=[float(f[i]) for i in at])


def write(target, name, value):
    (TESTS / target / "Expected" / name).write_text(json.dumps(value, indent=1))


def config(**changes):
    c = dict(R.DEFAULTS, **changes)
    c.setdefault("capacity", [400] * c["classes"])
    return c


def network_cases():
    """Outputs of whole networks; and names and shapes of their parameters, by depth."""
    cases, parameters = [], {}
    for depth, width, classes, size, grid, dilations in [(18, 64, 6, 65, False, [2, 4, 6]), (18, 64, 6, 96, False, [2, 4, 6]),
                                                         (34, 32, 3, 49, False, [12, 24, 36]), (50, 256, 21, 65, True, [12, 24, 36])]:
        m = R.Segmenter(depth, classes, width, width, tuple(dilations), grid, 0.0)
        R.fill(m)
        m.double()
        x = torch.from_numpy(R.uniform(f"x{size}", (2, 3, size, size))).double() * 2
        with torch.no_grad():
            m.eval()
            evaluation = [probe(t) for t in m(x)]
            m.train()
            training = [probe(t) for t in m(x)]
        cases.append(dict(depth=depth, width=width, features=width, classes=classes, size=size, multi_grid=grid, dilations=dilations,
                          input=f"uniform('x{size}', [2,3,{size},{size}]) * 2", evaluation=evaluation, training=training,
                          running_mean=probe(m.encoder.bn1.running_mean), running_var=probe(m.encoder.bn1.running_var)))
        parameters[depth] = "".join(f"{k} {list(v.shape)}\n" for k, v in m.state_dict().items())
    return cases, parameters


def networks():
    cases, parameters = network_cases()
    write("NetworkTests", "networks.json", cases)
    for depth in 18, 50:
        (TESTS / "NetworkTests" / "Expected" / f"parameters-{depth}.txt").write_text(parameters[depth])


def peer(directory):
    """Networks, the first step of one run, and the first steps of others, without what the peer does not do."""
    def run(changes, size, nl, nu, count):
        cfg = config(**changes)
        t, rows = R.Trainer(cfg), []
        for k in range(count):
            report = []
            rows.append(dict(t.step(*R.batch(cfg, size, nl, nu, k, torch.float64), report=report), classes=report))
        return t, rows, dict(config=cfg, size=size, labeled=nl, unlabeled=nu)

    def save(name, value):
        (pathlib.Path(directory) / name).write_text(json.dumps(value, indent=1))

    save("networks.json", network_cases()[0])
    t, rows, case = run({}, 65, 2, 2, 1)
    save("first-step.json", dict(case, result=rows[0], classes=rows[0]["classes"],
                                 gradient={n: probe(p.grad) for n, p in t.student.named_parameters()},
                                 student={n: probe(p) for n, p in t.student.state_dict().items()},
                                 teacher={n: probe(p) for n, p in t.teacher.state_dict().items()}))
    two_classes = dict(classes=2, low_rank=1, high_rank=2)
    save("steps.json", [dict(case, name=name, steps=rows) for name, (_, rows, case) in (
        ("default", run({}, 65, 2, 2, 2)), ("four-ranks", run(dict(seed=11), 65, 4, 8, 2)),
        ("two-classes", run(two_classes, 49, 2, 2, 2)), ("slow", run(dict(lr=1e-4), 65, 4, 4, 2)))])


class Recording:
    """Tensors of the trainer after chosen steps, as the tests read them: for each such step the gradient (after
    clipping), then what the student's, then what the teacher's parameters and running statistics have changed by since
    the start; of each, its tensors in the order of the state_dict; of each tensor

        float32 root mean square, float32 greatest magnitude m, int16 entries in units of m / 32767

    with all entries, or `entries` of them at positions i * (count - 1) // (entries - 1) of the flattened tensor."""

    def __init__(self, trainer):
        self.bytes = bytearray()
        self.start = self.state(trainer.student)

    @staticmethod
    def state(model):
        return [v.detach().clone() for v in model.state_dict().values() if v.is_floating_point()]

    def add(self, trainer, gradient_entries, entries):
        for p in trainer.student.parameters():
            self.tensor(p.grad, gradient_entries)
        for model in trainer.student, trainer.teacher:
            for before, after in zip(self.start, self.state(model)):
                self.tensor(after - before, entries)

    def tensor(self, t, entries):
        f = t.detach().double().flatten().numpy()
        m = np.abs(f).max()
        n = min(entries or len(f), len(f))
        at = np.arange(n) * (len(f) - 1) // max(n - 1, 1)
        self.bytes += struct.pack("<ff", np.sqrt(np.mean(f * f)), m)
        self.bytes += np.round(f[at] / (m or 1) * 32767).astype("<i2").tobytes()


SMALL = dict(encoder_width=0.125, width=16, features=16, weight_decay=0.01, lr=1e-3, capacity=[150] * 6, anchors=24,
             negatives=12)

# name: (changes of the default configuration, size, labeled, unlabeled, steps, steps recorded, entries of gradients)
CASES = {
    "default": (dict(seed=11, weight_decay=0.01), 65, 4, 8, 1, [0], 64),
    "bottlenecks": (dict(SMALL, depth=50, stem="classic", output_stride=16, multi_grid=True, lr=0.01, seed=5), 49, 4, 4, 1, [0], 64),
    "two-classes": (dict(SMALL, lr=5e-4, classes=2, low_rank=1, high_rank=2, capacity=[150] * 2), 33, 4, 4, 4, [0], 64),
    # Every entry of every gradient.
    "ten-steps": (dict(SMALL), 33, 4, 4, 10, [0, 9], None),
    "cutmix": (dict(SMALL, seed=3, lr=3e-4, mix="cutmix", mix_probability=0.6, padding=True, dropout=0.2, head_lr_factor=10,
                    clip_norm=0.5, teacher_buffers="ema"), 33, 12, 12, 5, [0, 4], 64),
    # With other seeds single precision takes the other side of a ReLU or of a threshold in one of the steps.
    "classmix": (dict(SMALL, seed=2**40 + 7, mix="classmix", padding=True, dropout=0.1, auxiliary=True,
                      ohem=dict(threshold=0.1, min_kept=1500), class_weights=[0.5, 1, 2, 1, 3, 1], steps_per_epoch=2,
                      supervised_epochs=1), 33, 4, 4, 5, [1, 2, 4], 64),
    "cutout": (dict(SMALL, stem="classic", output_stride=16, mix="cutout", padding=True,
                    ohem=dict(threshold=0.4, min_kept=10), enqueue_per_step=None), 49, 4, 4, 4, [0, 3], 64),
    "copypaste": (dict(SMALL, lr=4e-5, mix="copypaste", mix_probability=0.8, padding=True, dice=0.7, weight=0.4,
                       teacher_start="beginning", ema_decay="auto", epochs=22, steps_per_epoch=28, supervised_epochs=1),
                  33, 4, 8, 30, [0, 27, 29], 64),
    # Four steps: AdamW's are as long where a gradient is rounding, and what that moves grows from step to step.
    "adamw": (dict(SMALL, optimizer="adamw", schedule="cosine", warmup_steps=3, threshold="class", alpha_end=0.15, padding=True,
                   teacher_buffers="ema", head_lr_factor=3), 33, 4, 4, 4, [0, 2, 3], 64),
    # Every row in which the published program differs.
    "published": (dict(SMALL, lr=2e-4, mix="cutmix", padding=True, dropout=0.1, low_rank=1, high_rank=6, alpha0=0.4,
                       enqueue_per_step=20, steps_per_epoch=2, supervised_epochs=1,
                       published=["rectangle", "padding", "percentiles", "unreliable", "anchors", "labeled_negatives",
                                  "unlabeled_negatives", "new_keys", "anchor_class", "contrast_mean",
                                  "supervised_teacher", "teacher_copy"]), 33, 4, 8, 6, [1, 2, 3, 5], 64),
    "anchor-ema": (dict(SMALL, anchor_ema=True), 33, 4, 4, 4, [0, 3], 64),
}


def steps(*names):
    """What every step of each case reports, and tensors after some."""
    for name in names or CASES:
        changes, size, nl, nu, count, recorded, entries = CASES[name]
        cfg = config(**changes)
        t, rows = R.Trainer(cfg), []
        recording = Recording(t)
        for k in range(count):
            report = []
            rows.append(dict(t.step(*R.batch(cfg, size, nl, nu, k, torch.float64), report=report), classes=report))
            if k in recorded:
                recording.add(t, entries if k == recorded[0] else 64, 64)
        write("MethodTests", f"steps-{name}.json",
              dict(name=name, config=cfg, size=size, labeled=nl, unlabeled=nu, recorded=recorded,
                   gradient_entries=entries, steps=rows,
                   # num_batches_tracked after the last step
                   counters={which: " ".join(str(int(v)) for n, v in model.state_dict().items()
                                             if n.endswith("num_batches_tracked"))
                             for which, model in (("student", t.student), ("teacher", t.teacher))}))
        (TESTS / "MethodTests" / "Expected" / f"steps-{name}.bin").write_bytes(recording.bytes)


def percentiles():
    cases = []
    for n in (1, 2, 3, 1000, 65537):
        v = np.abs(R.uniform(f"h{n}", (n,))) * np.float32(3)
        if n == 1000:
            v[::3] = v[0]  # many ties
        cases.append(dict(values=f"abs(uniform('h{n}', [{n}])) * 3" + (", every third replaced by the first" if n == 1000 else ""),
                          n=n, q={str(q): R.percentile(v, q) for q in (0, 12.5, 50, 80, 81.25, 99.9, 100)}))
    write("DistributedTests", "percentiles.json", cases)


def draws():
    known = R.philox((0, 0), np.zeros((1, 4), np.uint64))[0]
    write("ComputeTests", "draws.json", dict(philox_zero=[f"{w:08x}" for w in known],
                             anchors=R.draw_indices(7, R.STREAM_ANCHOR, 3, 5, 16, 1234).tolist(),
                             negatives=R.draw_indices((5 << 32) + 9, R.STREAM_NEGATIVE, 0, 2, 16, 30000).tolist(),
                             mixing=R.draw_unit(7, R.STREAM_MIXING, 3, [0, 1, 2, 0xFFFFFFFF], [0, 1, 17, 0]).tolist(),
                             dropout=R.draw_unit((5 << 32) + 9, R.STREAM_DROPOUT, 4, [0, 1, 2, 3],
                                                 [0, 1, 1 << 31 | 3 << 20, 5 << 20 | 255]).tolist(),
                             splitmix_hashed_x=[f"{w:016x}" for w in R.hashed("x", 4)],
                             uniform_x=R.uniform("x", (4,)).tolist()))


def pixels():
    """Upsampling, softmax, entropy, pseudo-label and losses on one small map."""
    logits = torch.from_numpy(R.uniform("logits", (2, 5, 9, 7))).double() * 4
    logits.requires_grad_()
    y = torch.from_numpy(R.block_labels("y", 2, 33, 5, block=4))[:, :, :25]
    large = R.up(logits, (33, 25))
    ls = R.supervised_loss(large, y)
    ls.backward()
    h = R.entropy(large.detach().softmax(1))
    gamma = R.percentile(h.flatten().numpy(), 80)
    y_hat = large.detach().argmax(1)
    y_hat[h >= gamma] = R.IGNORE
    again = logits.detach().clone().requires_grad_()
    lu = R.unsupervised_loss(R.up(again, (33, 25)), y_hat, y_hat.numel())
    lu.backward()
    write("MethodTests", "pixels.json", dict(logits="uniform('logits', [2,5,9,7]) * 4", labels="block_labels('y', 2, 33, 5, block=4)[:, :, :25]",
                              upsampled=probe(large), supervised=ls.item(), supervised_gradient=probe(logits.grad), entropy=probe(h),
                              gamma=float(gamma), reliable=int((y_hat != R.IGNORE).sum()), unsupervised=lu.item(),
                              unsupervised_gradient=probe(again.grad), rank=probe(R.class_rank(logits.detach().softmax(1))),
                              nearest=R.nearest(y, (9, 7)).tolist()))


if __name__ == "__main__":
    torch.set_num_threads(1)  # the same sums every time
    jobs = dict(percentiles=percentiles, draws=draws, pixels=pixels, networks=networks, steps=steps)
    if sys.argv[1:2] == ["steps"]:
        steps(*sys.argv[2:])
    elif sys.argv[1:2] == ["peer"]:
        peer(sys.argv[2])
    else:
        for job in sys.argv[1:] or jobs:
            jobs[job]()
