"""Assignment 1: a recurrent network, from one step to a model that writes surnames.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`rnn_cell(...)`, not a copy of it): where `rnn_cell`, `RNNCell`, `rnn_forward` or `RNN` is wrong, the grader
puts a right one in its place before it looks at the parts that call it, so that one mistake costs its points once.
What calls another part that is wrong has to wait until that part is right.

Shapes: B batch, T time steps, I input size, H hidden size, L layers, V vocabulary, E embedding size.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, T, features)
    weights      (out, in), and two bias vectors a cell, as torch.nn.RNNCell; copied by name by the grader
    zero state   `h0=None` means zeros on the device and with the dtype of x
    final state  h_n is (B, H) for one cell and (L, B, H) for a model, also where L = 1
    padding      targets that equal `pad` are no targets; a mean is over the real targets
    temperature  logits / temperature; 0 means argmax
    randomness   a function that draws takes a torch.Generator and uses no other source
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ---------------------------------------------------------------------------------------------------------------------
# 1. One step
# ---------------------------------------------------------------------------------------------------------------------


def one_hot(ids: Tensor, vocab: int) -> Tensor:
    """Turn ids (B, T), int64, into rows with a single 1: (B, T, vocab), floating point.

    out[b, t, v] = 1 if v == ids[b, t] else 0. The dtype is torch's default one (`torch.get_default_dtype()`).
    """
    ### BEGIN SOLUTION
    out = torch.zeros(*ids.shape, vocab, device=ids.device)  # (B, T, V)
    return out.scatter(-1, ids.unsqueeze(-1), 1.0)
    ### END SOLUTION


def rnn_cell(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    nonlinearity: str = "tanh",
) -> Tensor:
    """Compute the next state h' (B, H) from the input x (B, I) and the state h (B, H).

    h' = f(W_ih x + b_ih + W_hh h + b_hh) for each row of the batch, f = tanh, or relu if `nonlinearity` says "relu".
    weight_ih (H, I), weight_hh (H, H), bias_ih (H,), bias_hh (H,).
    Source: Elman 1990, "Finding Structure in Time"; the formula of torch.nn.RNNCell.
    """
    ### BEGIN SOLUTION
    a = x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh  # (B, H)
    return torch.tanh(a) if nonlinearity == "tanh" else torch.relu(a)
    ### END SOLUTION


class RNNCell(nn.Module):
    """The cell with its own weights. `__init__` is given: names, shapes and initial values as torch.nn.RNNCell."""

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "tanh") -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        bound = 1 / math.sqrt(hidden_size)  # every weight and bias is drawn from U(-1/sqrt(H), 1/sqrt(H))
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))  # (H, I)
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))  # (H, H)
        self.bias_ih = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))  # (H,)
        self.bias_hh = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound))  # (H,)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Compute h' (B, H) from x (B, I) and h (B, H) with this cell's weights and nonlinearity."""
        ### BEGIN SOLUTION
        return rnn_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.nonlinearity)
        ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 2. Many steps, many layers
# ---------------------------------------------------------------------------------------------------------------------


def rnn_forward(cell: RNNCell, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Run `cell` over all time steps of x (B, T, I), starting at h0 (B, H).

    h_t = cell(x[:, t], h_{t-1}). Returns (out, h_n): all states out (B, T, H) and the last one h_n (B, H).
    h0=None means zeros on the device and with the dtype of x, and H is `cell.hidden_size`. Call the cell, do not look
    inside: any cell with `hidden_size` has to work, torch.nn.GRUCell too (the checks use it).
    The gradient reaches every earlier step (back-propagation through time: Werbos 1990).
    """
    ### BEGIN SOLUTION
    h = x.new_zeros(x.shape[0], cell.hidden_size) if h0 is None else h0  # (B, H)
    states = []
    for t in range(x.shape[1]):
        h = cell(x[:, t], h)  # (B, H)
        states.append(h)
    return torch.stack(states, dim=1), h  # (B, T, H), (B, H)
    ### END SOLUTION


class RNN(nn.Module):
    """Layers of `RNNCell`: layer l reads the states of layer l-1, and the first one reads x.

    Attribute: `cells`, an nn.ModuleList of `num_layers` cells, so that the parameters are called `cells.0.weight_ih`
    and so on. Cell 0 takes inputs of size I, every other one takes size H; each has weights of its own.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh") -> None:
        super().__init__()
        ### BEGIN SOLUTION
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.cells = nn.ModuleList([RNNCell(size, hidden_size, nonlinearity) for size in sizes])
        ### END SOLUTION

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (out, h_n): the top layer's states (B, T, H) and the last state of every layer (L, B, H).

        x is (B, T, I). h0 is (L, B, H), one initial state a layer; None means zeros.
        """
        ### BEGIN SOLUTION
        out, last = x, []
        for layer, cell in enumerate(self.cells):
            assert isinstance(cell, RNNCell)  # for the type checker: nn.ModuleList forgets it
            out, h_n = rnn_forward(cell, out, None if h0 is None else h0[layer])  # (B, T, H), (B, H)
            last.append(h_n)
        return out, torch.stack(last)  # (B, T, H), (L, B, H)
        ### END SOLUTION


def last_valid(out: Tensor, lengths: Tensor) -> Tensor:
    """Pick from out (B, T, H) each row's last real state: (B, H).

    lengths (B,), int64, 1 <= lengths[b] <= T: row b is real at times 0 .. lengths[b] - 1 and padding after that.
    The same as h_n of torch.nn.RNN over a `pack_padded_sequence`.
    """
    ### BEGIN SOLUTION
    return out[torch.arange(out.shape[0], device=out.device), lengths - 1]
    ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 3. Gradients through time
# ---------------------------------------------------------------------------------------------------------------------


def grad_norm_vs_distance(cell: RNNCell, x: Tensor) -> Tensor:
    """Measure how much the last state still learns from an earlier one: (T,), entry k for a distance of k steps.

    Run `cell` over x (B, T, I) from the zero state and let loss = sum of all entries of the last state h_T. Entry k
    is the norm of d loss / d h_{T-k}, the square root of the sum of squares over batch and units, for k = 0 .. T-1.
    So entry 0 is sqrt(B * H), whatever the weights. The result carries no graph. As above, any cell has to work.
    Source: Pascanu, Mikolov, Bengio 2013, section 2.1; Bengio, Simard, Frasconi 1994.
    """
    ### BEGIN SOLUTION
    h = x.new_zeros(x.shape[0], cell.hidden_size)  # (B, H)
    states = []
    for t in range(x.shape[1]):
        h = cell(x[:, t], h)
        states.append(h)
    grads = torch.autograd.grad(states[-1].sum(), states)  # T tensors (B, H)
    return torch.stack([grad.norm() for grad in reversed(grads)])  # (T,)
    ### END SOLUTION


def clip_grad_norm(grads: Sequence[Tensor | None], max_norm: float) -> tuple[list[Tensor | None], Tensor]:
    """Scale gradients so that their common norm is at most `max_norm`. Returns (clipped, norm before clipping).

    norm = sqrt(sum of squares over all entries of all gradients). If norm > max_norm, every gradient is multiplied by
    max_norm / norm (or by max_norm / (norm + 1e-6), as torch does), else nothing changes. None stands for a parameter
    without gradient: it counts nothing and stays None. Gradients that are all zero stay zero. Scale in place or make
    new tensors, as you like.
    Source: Pascanu, Mikolov, Bengio 2013, section 3.2, algorithm 1; torch.nn.utils.clip_grad_norm_ does it in place.
    """
    ### BEGIN SOLUTION
    squares = [grad.square().sum() for grad in grads if grad is not None] or [torch.zeros(())]
    norm = torch.stack(squares).sum().sqrt()  # ()
    scale = (max_norm / norm).clamp(max=1.0)  # x / 0 is inf, and inf becomes 1
    return [None if grad is None else grad * scale for grad in grads], norm
    ### END SOLUTION


def rnn_cell_backward(
    dh_next: Tensor, x: Tensor, h: Tensor, h_next: Tensor, weight_ih: Tensor, weight_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Bonus (0 points): go backwards through one tanh cell by hand, without autograd.

    Given dh_next = d loss / d h' (B, H), the cell's input x (B, I), state h (B, H) and result h_next = h' (B, H).
    Returns (dx (B, I), dh (B, H), dweight_ih (H, I), dweight_hh (H, H), dbias_ih (H,), dbias_hh (H,)).
    Start from da = dh_next * (1 - h'^2), the gradient before the tanh.
    """
    ### BEGIN SOLUTION
    da = dh_next * (1 - h_next.square())  # (B, H)
    bias = da.sum(dim=0)  # (H,)
    return da @ weight_ih, da @ weight_hh, da.T @ x, da.T @ h, bias, bias.clone()
    ### END SOLUTION


# ---------------------------------------------------------------------------------------------------------------------
# 4. A character model and its training
# ---------------------------------------------------------------------------------------------------------------------


class CharRNN(nn.Module):
    """Predict the next character after every prefix.

    Attributes: `embedding` = nn.Embedding(V, E), `rnn` = RNN(E, H) with one layer, `out` = nn.Linear(H, V).
    """

    def __init__(self, vocab: int, embed: int, hidden: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.embedding = nn.Embedding(vocab, embed)
        self.rnn = RNN(embed, hidden)
        self.out = nn.Linear(hidden, vocab)
        ### END SOLUTION

    def forward(self, ids: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (logits (B, T, V), h_n (1, B, H)) for ids (B, T); h0 (1, B, H) continues an earlier call.

        logits[b, t] belong to the character after ids[b, t]. They are scores: no softmax.
        """
        ### BEGIN SOLUTION
        states, h_n = self.rnn(self.embedding(ids), h0)  # (B, T, H), (1, B, H)
        return self.out(states), h_n  # (B, T, V), (1, B, H)
        ### END SOLUTION


def char_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """Return the mean cross-entropy, in nats per real target: a tensor of shape ().

    logits (B, T, V), targets (B, T) int64. Targets equal to `pad` (any id of the vocabulary) do not count, neither in
    the sum nor in the number that it is divided by. At least one target is real. Logits in the thousands are fine.
    """
    ### BEGIN SOLUTION
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=pad)
    ### END SOLUTION


def truncated_bptt(model: CharRNN, ids: Tensor, chunk: int) -> Tensor:
    """Compute the logits (B, T, V) of a long sequence ids (B, T) in pieces of `chunk` steps.

    The state's value is carried from piece to piece, but its graph is cut there, so no gradient flows back from one
    piece into the one before it. Hence the logits equal those of `model(ids)`, and the gradients do not.
    The last piece may be shorter.
    Source: Williams, Peng 1990.
    """
    ### BEGIN SOLUTION
    pieces, h = [], None
    for piece in torch.split(ids, chunk, dim=1):
        logits, h = model(piece, h)  # (B, chunk, V), (1, B, H)
        h = h.detach()
        pieces.append(logits)
    return torch.cat(pieces, dim=1)  # (B, T, V)
    ### END SOLUTION


def sample(
    model: CharRNN, start: Tensor, n: int, temperature: float, generator: torch.Generator | None = None
) -> Tensor:
    """Write on: return the n ids (B, n) that follow the prompt start (B, S), S >= 1, without the prompt.

    Each id is drawn from softmax(logits / temperature) of the last position, with `generator` as the only source of
    randomness, and becomes the next input. temperature = 0 takes the argmax and draws nothing.
    """
    ### BEGIN SOLUTION
    ids, h, written = start, None, []
    with torch.no_grad():
        for _ in range(n):
            logits, h = model(ids, h)  # (B, S or 1, V), (1, B, H)
            if temperature == 0:
                ids = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            else:
                probabilities = (logits[:, -1] / temperature).softmax(dim=-1)  # (B, V)
                ids = torch.multinomial(probabilities, 1, generator=generator)  # (B, 1)
            written.append(ids)
    return torch.cat(written, dim=1)  # (B, n)
    ### END SOLUTION


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    pad: int,
    max_norm: float | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode. A batch is (inputs, targets), both (B, T). The
    model is any nn.Module: `model(inputs)` is either the logits (B, T, V) or a tuple whose first entry is the logits,
    as CharRNN's. The loss is `char_loss(logits, targets, pad)`, and the model starts every batch with the zero state.
    With `max_norm`, gradients are clipped by `clip_grad_norm` over all parameters together before the step.
    """
    ### BEGIN SOLUTION
    model.train()
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        output = model(inputs)
        logits = output[0] if isinstance(output, tuple) else output  # (B, T, V)
        loss = char_loss(logits, targets, pad)
        loss.backward()
        if max_norm is not None:
            parameters = list(model.parameters())
            clipped, _ = clip_grad_norm([parameter.grad for parameter in parameters], max_norm)
            for parameter, grad in zip(parameters, clipped, strict=True):
                parameter.grad = grad
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
