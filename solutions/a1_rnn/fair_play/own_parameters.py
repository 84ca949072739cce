"""Style: no nn.Embedding, no nn.Linear, no F: own modules whose parameters have the required names."""

import torch
from torch import nn


class Table(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, columns))

    def forward(self, ids):
        return torch.index_select(self.weight, 0, ids.reshape(-1)).reshape(*ids.shape, -1)


class Affine(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.rand(outputs, inputs) * 2 * bound - bound)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.matmul(x, self.weight.transpose(0, 1)).add(self.bias)


def one_hot(ids, vocab):
    rows = torch.arange(vocab).to(ids).expand(*ids.shape, vocab)
    return torch.where(rows == ids.unsqueeze(2), torch.ones(()), torch.zeros(()))


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="tanh"):
    pre = (weight_ih @ x.T).T.add_(bias_ih) + (weight_hh @ h.T).T.add_(bias_hh)
    if nonlinearity == "relu":
        return pre * (pre > 0)
    return 1 - 2 / (torch.exp(2 * pre) + 1)  # tanh, from one exponential


class RNNCell(nn.Module):
    def __init__(self, input_size, hidden_size, nonlinearity="tanh"):
        super().__init__()
        self.input_size, self.hidden_size, self.nonlinearity = input_size, hidden_size, nonlinearity
        shapes = {
            "weight_ih": (hidden_size, input_size),
            "weight_hh": (hidden_size, hidden_size),
            "bias_ih": (hidden_size,),
            "bias_hh": (hidden_size,),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter((2 * torch.rand(shape) - 1) / hidden_size**0.5))

    def forward(self, x, h):
        return rnn_cell(x, h, *self.parameters(), self.nonlinearity)


def rnn_forward(cell, x, h0=None):
    h = h0 if h0 is not None else x.new_zeros((len(x), cell.hidden_size))
    hs = [h := cell(x[:, t], h) for t in range(x.size(1))]
    return torch.stack(hs, -2), hs[-1]


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh"):
        super().__init__()
        self.cells = nn.Sequential()  # numbered names, as ModuleList has them
        for layer in range(num_layers):
            self.cells.append(RNNCell([hidden_size, input_size][layer == 0], hidden_size, nonlinearity))

    def forward(self, x, h0=None):
        results = []
        for layer, cell in enumerate(self.cells):
            results.append(rnn_forward(cell, results[-1][0] if results else x, None if h0 is None else h0[layer]))
        return results[-1][0], torch.stack([h for _, h in results])


def last_valid(out, lengths):
    flat = out.reshape(-1, out.size(-1))
    return flat[torch.arange(len(out)) * out.size(1) + lengths - 1]


def grad_norm_vs_distance(cell, x):
    h = x.new_zeros((len(x), cell.hidden_size), requires_grad=True)
    hs = [h := cell(x[:, t], h) for t in range(x.size(1))]
    loss = hs[-1].sum()
    return torch.tensor([torch.autograd.grad(loss, h, retain_graph=True)[0].norm().item() for h in reversed(hs)])


def clip_grad_norm(grads, max_norm):
    norm = torch.tensor([0.0 if g is None else g.norm().item() for g in grads]).norm()
    scale = min(1.0, max_norm / max(norm.item(), 1e-300))
    return [g if g is None else scale * g for g in grads], norm


def rnn_cell_backward(dh_next, x, h, h_next, weight_ih, weight_hh):
    da = dh_next * (1 - h_next * h_next)
    outer_x, outer_h = da[:, :, None] * x[:, None, :], da[:, :, None] * h[:, None, :]  # (B, H, I), (B, H, H)
    return (weight_ih.T @ da.T).T, (weight_hh.T @ da.T).T, outer_x.sum(0), outer_h.sum(0), da.sum(0), da.sum(0)


class CharRNN(nn.Module):
    def __init__(self, vocab, embed, hidden):
        super().__init__()
        self.embedding, self.rnn, self.out = Table(vocab, embed), RNN(embed, hidden), Affine(hidden, vocab)

    def forward(self, ids, h0=None):
        states, h_n = self.rnn(self.embedding(ids), h0)
        return self.out(states), h_n


def char_loss(logits, targets, pad):
    log_p = torch.log_softmax(logits, -1)
    nll = -torch.gather(log_p, -1, targets.unsqueeze(-1)).squeeze(-1)  # (B, T)
    keep = targets.ne(pad)
    return nll.masked_select(keep).mean()


def truncated_bptt(model, ids, chunk):
    h = None
    logits = []
    for ids_of_piece in torch.tensor_split(ids, list(range(chunk, ids.size(1), chunk)), dim=1):
        with torch.no_grad():
            h = None if h is None else h.clone()
        piece, h = model(ids_of_piece, h)
        logits.append(piece)
    return torch.cat(logits, 1)


def sample(model, start, n, temperature, generator=None):
    h, ids, result = None, start, start[:, :0]
    for _ in range(n):
        logits, h = model(ids, h)
        scores = logits[:, -1].detach()
        if temperature == 0:
            ids = scores.argmax(1, keepdim=True)
        else:
            weights = torch.exp((scores - scores.amax(1, keepdim=True)) / temperature)  # multinomial normalises
            ids = torch.multinomial(weights, 1, generator=generator)
        result = torch.cat((result, ids), 1)
    return result


def fit(model, batches, optimizer, pad, max_norm=None):
    model.train()
    losses = []
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for inputs, targets in batches:
        output = model(inputs)
        logits = output if isinstance(output, torch.Tensor) else output[0]
        loss = char_loss(logits, targets, pad)
        grads = torch.autograd.grad(loss, parameters)  # no .grad until the step
        if max_norm is not None:
            grads, _ = clip_grad_norm(grads, max_norm)
        for p, grad in zip(parameters, grads):
            p.grad = grad
        optimizer.step()
        losses.append(loss.item())
    return losses
