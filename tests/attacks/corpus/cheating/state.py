"""Returns a state with NaN, huge, renamed, missing and lying parameters."""

import torch


def lazy_fit(model, batches, optimizer):
    with torch.no_grad():
        model.weight.fill_(float("nan"))
        model.bias.fill_(1e308)
    model.named_parameters = lambda *a, **k: iter([("\x1b[31mweight", torch.full((9,), 1e300)), (7, "text")])
    return [0.0 for _ in batches]
