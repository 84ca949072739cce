"""Does not train and returns losses of a model that did; then NaN, infinity and texts as losses."""

kinds = iter([[0.1, 0.01], [float("nan")], [float("inf")] * 3, ["a", None, 10**400], 7, {"a": 1}])


def lazy_fit(model, batches, optimizer):
    return next(kinds, [0.0] * len(batches))
