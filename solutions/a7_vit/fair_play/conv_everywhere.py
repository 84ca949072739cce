"""Style: everything is a convolution. Patches are a convolution with a kernel of ones and zeros, and so is the way back."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformer import EncoderLayer


def normalize(images, mean=0.5, std=0.5):
    x = torch.div(images, 255)
    return x.sub(mean).div(std)


def one_hot_kernel(channels, patch, like):
    size = channels * patch * patch
    return torch.eye(size, dtype=like.dtype, device=like.device).view(size, channels, patch, patch)


def patchify(images, patch):
    _, c, h, w = images.shape
    assert h % patch == 0 and w % patch == 0, "patches do not fit"
    out = F.conv2d(images, one_hot_kernel(c, patch, images), stride=patch)
    return out.flatten(2).transpose(1, 2).contiguous()


def unpatchify(patches, patch, height, width):
    b, n, size = patches.shape
    grid = patches.transpose(1, 2).reshape(b, size, height // patch, width // patch)
    return F.conv_transpose2d(grid, one_hot_kernel(size // patch**2, patch, patches), stride=patch)


def conv_to_linear(weight):
    return weight.view(weight.size(0), -1)


class PatchEmbedding(nn.Module):
    def __init__(self, channels, patch, d_model):
        super().__init__()
        self.channels = channels
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images):
        kernel = self.projection.weight.view(-1, self.channels, self.patch, self.patch)
        x = F.conv2d(images, kernel, self.projection.bias, stride=(self.patch, self.patch))
        return x.flatten(start_dim=2).permute(0, 2, 1)


def interpolate_positions(positions, old, new):
    d = positions.shape[-1]
    cls_pos, grid = positions[:, :1, :], positions[:, 1:, :]
    grid = grid.reshape(1, old[0], old[1], d).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(new[0], new[1]), mode="bicubic", align_corners=False)
    grid = grid.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], d)
    return torch.cat((cls_pos, grid), dim=1)


class VisionEmbedding(nn.Module):
    def __init__(self, image_size, patch, channels, d_model, dropout=0.0):
        super().__init__()
        H, W = image_size
        self.image_size = (H, W)
        self.p = patch
        self.patches = PatchEmbedding(channels, patch, d_model)
        self.class_token = nn.Parameter(torch.empty(1, 1, d_model))
        self.pos_embedding = nn.Parameter(torch.empty(1, (H // patch) * (W // patch) + 1, d_model))
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embedding, std=0.02)
        self.drop = nn.Dropout(p=dropout)

    def forward(self, images):
        B, C, H, W = images.shape
        x = self.patches(images)
        cls = self.class_token.repeat(B, 1, 1)
        x = torch.cat((cls, x), dim=1)
        if (H, W) == self.image_size:
            pos = self.pos_embedding
        else:
            old = (self.image_size[0] // self.p, self.image_size[1] // self.p)
            pos = interpolate_positions(self.pos_embedding, old, (H // self.p, W // self.p))
        x = x + pos
        return self.drop(x)


class VisionEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            *[
                EncoderLayer(d_model, heads, d_ff, dropout=dropout, norm_first=True, activation="gelu", eps=1e-6)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(d_model, eps=1e-6)

    def forward(self, x):
        return self.norm(self.layers(x))


class ViT(nn.Module):
    def __init__(self, image_size, patch, channels, classes, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)
        self.head = nn.Linear(d_model, classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, images):
        x = self.embedding(images)
        x = self.encoder(x)
        return self.head(x[:, 0, :])


def vit_parameters(image_size, patch, channels, classes, d_model, d_ff, num_layers):
    model = ViT(image_size, patch, channels, classes, d_model, 1, d_ff, num_layers)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class SmallCNN(nn.Module):
    def __init__(self, channels, classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        x = F.relu(self.conv1(images))
        x = F.max_pool2d(x, kernel_size=2, stride=2)
        x = F.relu(self.conv2(x))
        x = F.adaptive_avg_pool2d(x, (1, 1))
        return self.head(x.flatten(1))


def cosine_rates(steps, peak, warmup):
    rates = []
    for s in range(1, steps + 1):
        if s <= warmup:
            rates.append(peak * s / warmup)
        else:
            rates.append(0.5 * peak * (1.0 + math.cos(math.pi * (s - warmup) / (steps - warmup))))
    return rates


def fit(model, batches, optimizer, rates=None):
    criterion = nn.CrossEntropyLoss()
    model.train()
    history = []
    for i, (images, labels) in enumerate(batches):
        if rates is not None:
            for g in optimizer.param_groups:
                g["lr"] = rates[i]
        logits = model(images)
        loss = criterion(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    model.eval()
    return history


@torch.no_grad()
def accuracy(model, images, labels, batch_size=256):
    model.eval()
    correct = 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size)):
        pred = model(x).max(dim=1).indices
        correct += (pred == y).sum().item()
    return correct / labels.numel()


def attention_rollout(maps):
    result = None
    for attn in maps:
        a = attn.mean(1)
        a = 0.5 * a + 0.5 * torch.eye(a.size(-1), dtype=a.dtype)
        result = a if result is None else torch.bmm(a, result)
    return result[:, 0, 1:]


def shuffle_patches(images, patch, order):
    p = patchify(images, patch)
    return unpatchify(p.index_select(1, order), patch, images.size(2), images.size(3))
