"""Convoy's network language over PyTorch's functions, to compute golden figures with. Images cross as NCHW in here;
parameters are Convoy's: (K, F, F, C/groups) and (K, C) with C in (H, W, C) order."""

import torch
import torch.nn.functional as f


def parse(text):
    """[(label, kind, words, attributes, inputs)]"""
    lines, count, last = [], {}, None
    for line in text.splitlines():
        tokens = line.split("#")[0].split()
        if not tokens:
            continue
        label = tokens.pop(0)[:-1] if tokens[0].endswith(":") else None
        kind = tokens.pop(0)
        count[kind] = count.get(kind, 0) + 1
        label = label or f"{kind}{count[kind]}"
        attributes = dict(token.split("=") for token in tokens if "=" in token)
        words = [token for token in tokens if "=" not in token]
        lines.append((label, kind, words, attributes, attributes.get("from", last).split(",") if last else []))
        last = label
    return lines


def pair(value):
    h, _, w = str(value).partition("x")
    return int(h), int(w or h)


def sides(attributes):
    """Padding as top, left, bottom, right."""
    value = attributes.get("P", "0")
    if "," in value:
        return tuple(map(int, value.split(",")))
    h, w = pair(value)
    return h, w, h, w


def padded(x, attributes, value=0.0):
    top, left, bottom, right = sides(attributes)
    return f.pad(x, (left, right, top, bottom), value=value)


class TorchNet:
    """parameters: {name: tensor}, made by `make(name, shape)` as the first forward meets them; buffers likewise."""

    def __init__(self, text, make):
        self.lines, self.make = parse(text), make
        self.parameters, self.buffers = {}, {}

    def parameter(self, name, *shape):
        if name not in self.parameters:
            self.parameters[name] = self.make(name, shape).requires_grad_()
        return self.parameters[name]

    def forward(self, images, labels, training=True):
        """The mean loss over the batch."""
        values = {}
        for label, kind, words, attributes, inputs in self.lines:
            x = [values[name] for name in inputs] or [images]
            if kind == "loss":
                return self.loss(words[0], x[0], labels)
            run = getattr(self, kind)
            values[label] = run(label, x if kind in ("add", "concat") else x[0], attributes, training)
        raise ValueError("no loss")

    def input(self, label, x, a, training):
        return x

    def conv(self, label, x, a, training):
        k, groups, (fh, fw) = int(a["K"]), int(a.get("G", 1)), pair(a["F"])
        weight = self.parameter(f"{label}/weight", k, fh, fw, x.shape[1] // groups).permute(0, 3, 1, 2)
        bias = self.parameter(f"{label}/bias", k) if a.get("bias", "on") == "on" else None
        return f.conv2d(padded(x, a), weight, bias, pair(a.get("S", 1)), 0, pair(a.get("D", 1)), groups)

    def fc(self, label, x, a, training):
        x = self.flatten(label, x, a, training)
        weight = self.parameter(f"{label}/weight", int(a["K"]), x.shape[1])
        bias = self.parameter(f"{label}/bias", int(a["K"])) if a.get("bias", "on") == "on" else None
        return f.linear(x, weight, bias)

    def maxpool(self, label, x, a, training):
        return f.max_pool2d(padded(x, a, -float("inf")), pair(a["F"]), pair(a.get("S", a["F"])),
                            ceil_mode=a.get("fit") == "ceil")

    def avgpool(self, label, x, a, training):
        return f.avg_pool2d(x, pair(a["F"]), pair(a.get("S", a["F"])), pair(a.get("P", 0)), a.get("fit") == "ceil",
                            a.get("pad", "counted") == "counted")

    def globalavgpool(self, label, x, a, training):
        return x.mean((2, 3))

    def relu(self, label, x, a, training):
        return f.relu(x)

    def leakyrelu(self, label, x, a, training):
        return f.leaky_relu(x, float(a["slope"]))

    def sigmoid(self, label, x, a, training):
        return torch.sigmoid(x)

    def tanh(self, label, x, a, training):
        return torch.tanh(x)

    def lrn(self, label, x, a, training):
        n, alpha, beta, k = int(a["n"]), float(a["alpha"]), float(a["beta"]), float(a["k"])
        if a.get("region", "across") == "across":
            return f.local_response_norm(x, n, alpha, beta, k)
        return x / (k + alpha * f.avg_pool2d(x * x, n, 1, n // 2)) ** beta

    def dropout(self, label, x, a, training):
        assert float(a["p"]) == 0, "masks differ between frameworks"
        return x

    def batchnorm(self, label, x, a, training):
        weight, bias = (self.parameter(f"{label}/{name}", x.shape[1]) for name in ("weight", "bias"))
        mean, variance = self.buffers.setdefault(
            label, (torch.zeros_like(weight, requires_grad=False), torch.ones_like(weight, requires_grad=False)))
        return f.batch_norm(x, mean, variance, weight, bias, training, float(a["momentum"]), float(a["epsilon"]))

    def add(self, label, x, a, training):
        return sum(x[1:], x[0])

    def concat(self, label, x, a, training):
        return torch.cat(x, 1)

    def flatten(self, label, x, a, training):
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x

    def softmax(self, label, x, a, training):
        return torch.softmax(x, 1)

    @staticmethod
    def loss(kind, x, labels):
        rows = torch.arange(len(labels))
        if kind == "softmax":
            return f.cross_entropy(x, labels)
        if kind == "hinge":
            margins = f.relu(x - x[rows, labels][:, None] + 1)
            return (margins.sum(1) - margins[rows, labels]).mean()
        assert kind == "mse"
        return ((x - f.one_hot(labels, x.shape[1])) ** 2).mean()
