"""Style: Tensor.unfold, einsum, tensors that are filled in place, and hooks into nn.Module's own machinery."""

import itertools

import numpy as np
import torch
from torch import einsum, nn
from torch.nn import functional as F
from transformer import EncoderLayer as Block
from transformer import LayerNorm


def normalize(images: torch.Tensor, mean: float = 0.5, std: float = 0.5):
    scale, shift = 1 / (255 * std), -mean / std
    return images.type(torch.get_default_dtype()).mul_(scale).add_(shift)


def patchify(images: torch.Tensor, patch: int):
    if any(side % patch for side in images.shape[2:]):
        raise ValueError(f"{tuple(images.shape[2:])} / {patch}")
    windows = images.unfold(2, patch, patch).unfold(3, patch, patch)  # B C h w P P
    return einsum("bchwpq->bhwcpq", windows).reshape(len(images), -1, images.shape[1] * patch**2)


def unpatchify(patches: torch.Tensor, patch: int, height: int, width: int):
    channels = patches.shape[-1] // patch**2
    out = patches.new_zeros(len(patches), channels, height, width)
    places = itertools.product(range(0, height, patch), range(0, width, patch))
    for n, (top, left) in enumerate(places):
        out[:, :, top : top + patch, left : left + patch] = patches[:, n].view(-1, channels, patch, patch)
    return out


def conv_to_linear(weight: torch.Tensor):
    d, *rest = weight.shape
    return weight.reshape(d, int(np.prod(rest)))


class PatchEmbedding(nn.Module):
    def __init__(self, channels: int, patch: int, d_model: int):
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images: torch.Tensor):
        return einsum("bnk,dk->bnd", patchify(images, self.patch), self.projection.weight) + self.projection.bias


def interpolate_positions(positions, old, new):
    first, rest = torch.split(positions, [1, positions.shape[1] - 1], 1)
    if tuple(old) != tuple(new):
        picture = rest.transpose(1, 2).unflatten(2, tuple(old))
        rest = F.interpolate(picture, tuple(new), mode="bicubic").flatten(2).transpose(1, 2)
    return torch.cat([first, rest], 1)


class VisionEmbedding(nn.Module):
    def __init__(self, image_size, patch, channels, d_model, dropout=0.0):
        super().__init__()
        self.patches = PatchEmbedding(channels, patch, d_model)
        n = image_size[0] * image_size[1] // patch**2
        for name, count in (("class_token", 1), ("pos_embedding", n + 1)):
            self.register_parameter(name, nn.Parameter(torch.randn(1, count, d_model) / d_model))
        self.register_buffer("usual", torch.tensor(image_size) // patch, persistent=False)
        self.p = dropout

    def forward(self, images):
        grid = tuple(side // self.patches.patch for side in images.shape[-2:])
        n = grid[0] * grid[1]
        out = images.new_empty(len(images), n + 1, self.class_token.shape[-1]).to(self.class_token.dtype)
        out[:, :1] = self.class_token
        out[:, 1:] = self.patches(images)
        out += interpolate_positions(self.pos_embedding, tuple(self.usual.tolist()), grid)
        return F.dropout(out, self.p, self.training)


class VisionEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.layers = nn.Module()
        for n in range(num_layers):
            self.layers.add_module(str(n), Block(d_model, heads, d_ff, dropout, True, F.gelu, eps=1e-6))
        self.norm = LayerNorm(d_model, eps=1e-6)

    def forward(self, x):
        for block in self.layers.children():
            x = block(x)
        return self.norm(x)


class ViT(nn.Module):
    def __init__(self, image_size, patch, channels, classes, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)
        self.head = nn.Linear(d_model, classes)
        self.mean_token = None

    def forward(self, images):
        encoded = self.encoder(self.embedding(images))
        self.mean_token = encoded.detach().mean(1)  # to look at later
        return einsum("bd,kd->bk", encoded.select(1, 0), self.head.weight) + self.head.bias


def vit_parameters(image_size, patch, channels, classes, d_model, d_ff, num_layers):
    linear = lambda i, o: (i + 1) * o
    norm = 2 * d_model
    n = np.prod([side // patch for side in image_size])
    layer = 4 * linear(d_model, d_model) + linear(d_model, d_ff) + linear(d_ff, d_model) + 2 * norm
    return int(linear(channels * patch**2, d_model) + (n + 2) * d_model + num_layers * layer + norm + linear(d_model, classes))


class SmallCNN(nn.Module):
    def __init__(self, channels, classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        x = self.conv1(images).clamp(min=0)
        x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
        x = self.conv2(x).clamp(min=0)
        return self.head(einsum("bchw->bc", x) / (x.shape[2] * x.shape[3]))


def cosine_rates(steps, peak, warmup):
    s = np.arange(1, steps + 1)
    up = s / max(warmup, 1)
    down = (1 + np.cos(np.pi * (s - warmup) / (steps - warmup))) / 2
    return (peak * np.where(s <= warmup, up, down)).tolist()


def fit(model, batches, optimizer, rates=None):
    model.train()
    losses = []
    rates = itertools.repeat(None) if rates is None else rates
    for (images, labels), rate in zip(batches, rates):
        if rate is not None:
            for group in optimizer.param_groups:
                group.update(lr=rate)
        log_p = model(images).log_softmax(1)
        loss = -log_p[torch.arange(len(labels)), labels].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        losses.append(loss.detach().numpy().item())
    return losses


def accuracy(model, images, labels, batch_size=256):
    was = model.training
    model.eval()
    with torch.inference_mode():
        guesses = torch.cat([model(images[i : i + batch_size]).argmax(1) for i in range(0, len(labels), batch_size)])
    model.train(was)
    return float(np.mean(guesses.numpy() == labels.numpy()))


def attention_rollout(maps):
    total = torch.stack([(m.mean(1) + torch.eye(m.shape[-1]).type_as(m)) / 2 for m in maps])
    return torch.linalg.multi_dot(list(total.flip(0)[:, 0]))[None, 0, 1:] if len(total) > 1 and total.shape[1] == 1 else chain(total)


def chain(total):
    out = total[0]
    for each in total[1:]:
        out = einsum("bij,bjk->bik", each, out)
    return out[:, 0, 1:]


def shuffle_patches(images, patch, order):
    return unpatchify(torch.take_along_dim(patchify(images, patch), order[None, :, None], 1), patch, *images.shape[2:])
