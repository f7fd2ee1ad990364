#!/usr/bin/env python3
"""Writes torch_sequences.hpp: what PyTorch's optimizers and schedules do, in float64.

Run once, with Debian's python3-torch: /usr/bin/python3 torch_sequences.py > torch_sequences.hpp
"""

import torch

STEPS = 10
WEIGHTS, BIASES = 5, 3  # the biases learn twice as fast and are not decayed


def start(i):
    return (i * 37 % 64 - 31) / 32


def gradient(step, i):
    return ((i * 29 + step * 53 + i * step * 7) % 97 - 48) / 64


def descend(optimizer, rate, decay=0.0, clip=0.0, **options):
    first = [start(i) for i in range(WEIGHTS + BIASES)]
    weights = torch.tensor(first[:WEIGHTS], dtype=torch.float64, requires_grad=True)
    biases = torch.tensor(first[WEIGHTS:], dtype=torch.float64, requires_grad=True)
    groups = [{"params": [weights], "lr": rate, "weight_decay": decay},
              {"params": [biases], "lr": 2 * rate, "weight_decay": 0}]
    optimizer = optimizer(groups, **options)
    for step in range(STEPS):
        gradients = torch.tensor([gradient(step, i) for i in range(WEIGHTS + BIASES)], dtype=torch.float64)
        weights.grad, biases.grad = gradients[:WEIGHTS].clone(), gradients[WEIGHTS:].clone()
        if clip:
            torch.nn.utils.clip_grad_norm_([weights, biases], clip)
        optimizer.step()
    return weights.tolist() + biases.tolist()


def rates(schedule, rate, steps, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = schedule(optimizer, **options)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


def numbers(values):
    return ", ".join(repr(value) for value in values)


SGD, ADAM = torch.optim.SGD, torch.optim.Adam
OPTIMIZERS = [  # Convoy's options, the rate, PyTorch's weights
    ('.name = "sgd"', 0.05, descend(SGD, 0.05, lr=0.1)),
    ('.name = "sgd", .weight_decay = 0.25f', 0.05, descend(SGD, 0.05, 0.25, lr=0.1)),
    ('.name = "sgd", .clip_norm = 0.5', 0.05, descend(SGD, 0.05, clip=0.5, lr=0.1)),
    ('.name = "momentum", .weight_decay = 0.25f', 0.05, descend(SGD, 0.05, 0.25, lr=0.1, momentum=0.9)),
    ('.name = "nesterov", .momentum = 0.5f, .weight_decay = 0.25f', 0.05,
     descend(SGD, 0.05, 0.25, lr=0.1, momentum=0.5, nesterov=True)),
    ('.name = "adagrad", .weight_decay = 0.25f', 0.05, descend(torch.optim.Adagrad, 0.05, 0.25)),
    ('.name = "rmsprop", .weight_decay = 0.25f', 0.01, descend(torch.optim.RMSprop, 0.01, 0.25)),
    ('.name = "rmsprop", .momentum = 0.5f, .decay_rate = 0.75, .epsilon = 0.25', 0.01,
     descend(torch.optim.RMSprop, 0.01, alpha=0.75, momentum=0.5, eps=0.25)),
    ('.name = "adadelta", .weight_decay = 0.25f', 1.0, descend(torch.optim.Adadelta, 1.0, 0.25)),
    ('.name = "adadelta", .decay_rate = 0.5, .epsilon = 0.25', 1.0,
     descend(torch.optim.Adadelta, 1.0, rho=0.5, eps=0.25)),
    ('.name = "adam", .weight_decay = 0.25f', 0.01, descend(ADAM, 0.01, 0.25)),
    ('.name = "adam", .beta1 = 0.5, .beta2 = 0.75, .epsilon = 0.25, .clip_norm = 1', 0.01,
     descend(ADAM, 0.01, clip=1.0, betas=(0.5, 0.75), eps=0.25)),
    ('.name = "adamw", .weight_decay = 0.25f', 0.01, descend(torch.optim.AdamW, 0.01, 0.25)),
]

LR = torch.optim.lr_scheduler
SCHEDULES = [  # Convoy's options, PyTorch's rates
    ('.name = "step", .rate = 0.5, .gamma = 0.1, .step_size = 4', rates(LR.StepLR, 0.5, 12, step_size=4, gamma=0.1)),
    ('.name = "multistep", .rate = 0.5, .gamma = 0.5, .milestones = {2, 3, 7}',
     rates(LR.MultiStepLR, 0.5, 10, milestones=[2, 3, 7], gamma=0.5)),
    ('.name = "exponential", .rate = 0.5, .gamma = 0.9', rates(LR.ExponentialLR, 0.5, 10, gamma=0.9)),
    ('.name = "poly", .rate = 0.5, .total = 8', rates(LR.PolynomialLR, 0.5, 11, total_iters=8, power=1)),
    ('.name = "poly", .rate = 0.5, .power = 2, .total = 8', rates(LR.PolynomialLR, 0.5, 11, total_iters=8, power=2)),
    ('.name = "cosine", .rate = 0.5, .total = 8', rates(LR.CosineAnnealingLR, 0.5, 9, T_max=8)),
    ('.name = "cosine", .rate = 0.5, .min_rate = 0.125, .total = 8',
     rates(LR.CosineAnnealingLR, 0.5, 9, T_max=8, eta_min=0.125)),
]

print(f"""// Written by torch_sequences.py with PyTorch {torch.__version__}: do not edit.
#pragma once

#include <vector>

#include "core/optim/optimizer.hpp"
#include "core/optim/schedule.hpp"

namespace convoy {{

struct TorchSequence {{
  OptimizerOptions options;
  float rate;
  std::vector<double> weights;  // after {STEPS} steps: {WEIGHTS} weights, {BIASES} biases
}};

struct TorchRates {{
  ScheduleOptions options;
  std::vector<double> rates;  // of steps 0, 1, ...
}};

// clang-format off
inline const std::vector<TorchSequence> torch_sequences = {{""")
for options, rate, weights in OPTIMIZERS:
    print(f"    {{{{{options}}}, {rate}f,\n     {{{numbers(weights[:4])},\n      {numbers(weights[4:])}}}}},")
print("};\n\ninline const std::vector<TorchRates> torch_rates = {")
for options, values in SCHEDULES:
    print(f"    {{{{{options}}},\n     {{{numbers(values[:6])},\n      {numbers(values[6:])}}}}},")
print("};\n// clang-format on\n\n}  // namespace convoy")
