"""Style: float32 on purpose, as one writes it for a GPU; tuples and options checked by hand."""

import math
from typing import Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from transformer import EncoderLayer


def normalize(images, mean=0.5, std=0.5):
    return (images.float() / 255.0 - mean) / std


def patchify(images, patch):
    b, c, h, w = images.shape
    if h % patch or w % patch:
        raise ValueError("image size must be a multiple of the patch size")
    return F.unfold(images, kernel_size=patch, stride=patch).permute(0, 2, 1)


def unpatchify(patches, patch, height, width):
    return F.fold(patches.permute(0, 2, 1), output_size=(height, width), kernel_size=patch, stride=patch)


def conv_to_linear(weight):
    return weight.flatten(start_dim=1)


class PatchEmbedding(nn.Module):
    def __init__(self, channels, patch, d_model):
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images):
        return self.projection(patchify(images, self.patch))


def interpolate_positions(positions, old: Tuple[int, int], new: Tuple[int, int]):
    dtype = positions.dtype
    cls_pos, patch_pos = positions[:, 0], positions[:, 1:]
    patch_pos = patch_pos.float().reshape(1, *old, -1).permute(0, 3, 1, 2)
    patch_pos = F.interpolate(patch_pos, size=new, mode="bicubic", align_corners=False, antialias=False)
    patch_pos = patch_pos.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], -1).to(dtype)
    return torch.cat((cls_pos.unsqueeze(0), patch_pos), dim=1)


class VisionEmbedding(nn.Module):
    def __init__(self, image_size, patch, channels, d_model, dropout=0.0):
        super().__init__()
        self.image_size = image_size
        self.patch = patch
        num_patches = (image_size[0] // patch) * (image_size[1] // patch)
        self.patches = PatchEmbedding(channels, patch, d_model)
        self.class_token = nn.Parameter(torch.zeros(1, 1, d_model))
        self.pos_embedding = nn.Parameter(torch.empty(1, num_patches + 1, d_model).normal_(std=0.02))
        self.pos_drop = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        self.num_patches = num_patches

    def forward(self, images):
        n = images.shape[0]
        x = self.patches(images)
        x = torch.cat([self.class_token.expand(n, 1, -1), x], dim=1)
        h, w = images.shape[-2:]
        if (h, w) != (self.image_size[0], self.image_size[1]):
            old = tuple(side // self.patch for side in self.image_size)
            return self.pos_drop(x + interpolate_positions(self.pos_embedding, old, (h // self.patch, w // self.patch)))
        return self.pos_drop(x + self.pos_embedding)


class VisionEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        make = lambda: EncoderLayer(d_model, heads, d_ff, dropout, norm_first=True, activation="gelu", eps=1e-6)
        self.layers = nn.ModuleList(make() for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model, 1e-6)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return F.layer_norm(x.float(), (x.shape[-1],), self.norm.weight.float(), self.norm.bias.float(), 1e-6).to(x.dtype)


class ViT(nn.Module):
    def __init__(self, image_size, patch, channels, classes, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)
        self.head = nn.Linear(d_model, classes)
        self.apply(self._init)

    @staticmethod
    def _init(module):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    def forward(self, images):
        x = self.encoder(self.embedding(images))
        cls = x[:, 0]
        return self.head(cls)


def vit_parameters(image_size, patch, channels, classes, d_model, d_ff, num_layers):
    with torch.device("meta"):
        model = ViT(image_size, patch, channels, classes, d_model, 1, d_ff, num_layers)
    return sum(math.prod(p.shape) for p in model.parameters())


class SmallCNN(nn.Module):
    def __init__(self, channels, classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        x = F.max_pool2d(F.relu(self.conv1(images), inplace=True), 2)
        x = F.relu(self.conv2(x), inplace=True)
        x = F.avg_pool2d(x, x.shape[2:]).squeeze(-1).squeeze(-1)
        return self.head(x)


def cosine_rates(steps, peak, warmup):
    def rate(s):
        if s <= warmup:
            return peak * s / warmup
        return peak * math.cos(math.pi / 2 * (s - warmup) / (steps - warmup)) ** 2  # (1 + cos 2a) / 2 = cos^2 a

    return [rate(s) for s in range(1, steps + 1)]


def fit(model, batches, optimizer, rates=None):
    device = next(model.parameters()).device
    model.train()
    losses = []
    for step, (images, labels) in enumerate(batches):
        images, labels = images.to(device), labels.to(device)
        if rates is not None:
            for param_group in optimizer.param_groups:
                param_group["lr"] = rates[step]
        optimizer.zero_grad(set_to_none=True)
        loss = F.nll_loss(F.log_softmax(model(images), dim=1), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.cpu().item())
    return losses


def accuracy(model, images, labels, batch_size=256):
    device = next(model.parameters()).device
    model.eval()
    correct = torch.zeros((), dtype=torch.long)
    with torch.no_grad():
        for i in range(0, images.shape[0], batch_size):
            logits = model(images[i : i + batch_size].to(device))
            correct += (logits.topk(1).indices.squeeze(1).cpu() == labels[i : i + batch_size]).sum()
    return (correct.double() / images.shape[0]).item()


def attention_rollout(maps):
    eye = torch.eye(maps[0].shape[-1], dtype=maps[0].dtype, device=maps[0].device)
    rollout = eye.unsqueeze(0)
    for a in maps:
        a = (a.mean(dim=1) + eye) / 2
        a = a / a.sum(dim=-1, keepdim=True)
        rollout = a @ rollout
    return rollout[:, 0, 1:]


def shuffle_patches(images, patch, order):
    return unpatchify(patchify(images, patch)[:, order, :], patch, images.shape[-2], images.shape[-1])
