"""Style: a beginner's. Slices in loops, lists that are stacked, everything spelled out, one picture after the other."""

from math import cos, pi

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

import transformer


def normalize(images, mean=0.5, std=0.5):
    images = images.to(torch.get_default_dtype())
    images = images / 255.0
    images = images - mean
    images = images / std
    return images


def patchify(images, patch):
    B = images.shape[0]
    H = images.shape[2]
    W = images.shape[3]
    if H % patch != 0:
        raise ValueError("height")
    if W % patch != 0:
        raise ValueError("width")
    result = []
    for b in range(B):
        rows = []
        for top in range(0, H, patch):
            for left in range(0, W, patch):
                square = images[b, :, top : top + patch, left : left + patch]
                rows.append(square.reshape(-1))
        result.append(torch.stack(rows))
    return torch.stack(result)


def unpatchify(patches, patch, height, width):
    channels = patches.shape[2] // (patch * patch)
    bands = []
    index = 0
    for _ in range(height // patch):
        squares = []
        for _ in range(width // patch):
            squares.append(patches[:, index].reshape(-1, channels, patch, patch))
            index += 1
        bands.append(torch.cat(squares, dim=3))
    return torch.cat(bands, dim=2)


def conv_to_linear(weight):
    rows = []
    for kernel in weight:
        rows.append(torch.cat([channel.reshape(-1) for channel in kernel]))
    return torch.stack(rows)


class PatchEmbedding(nn.Module):
    def __init__(self, channels, patch, d_model):
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, d_model)

    def forward(self, images):
        patches = patchify(images, self.patch)
        vectors = []
        for n in range(patches.shape[1]):
            vectors.append(self.projection(patches[:, n]))
        return torch.stack(vectors, dim=1)


def interpolate_positions(positions, old, new):
    h, w = old
    pictures = []
    for d in range(positions.shape[2]):  # one feature after the other
        picture = positions[0, 1:, d].reshape(1, 1, h, w)
        pictures.append(interpolate(picture, size=list(new), mode="bicubic").reshape(-1))
    grid = torch.stack(pictures, dim=1)
    return torch.cat([positions[0, :1], grid]).unsqueeze(0)


class VisionEmbedding(nn.Module):
    def __init__(self, image_size, patch, channels, d_model, dropout=0.0):
        super().__init__()
        self.rows = image_size[0] // patch
        self.columns = image_size[1] // patch
        self.patches = PatchEmbedding(channels, patch, d_model)
        self.class_token = nn.Parameter(torch.randn(1, 1, d_model))
        self.pos_embedding = nn.Parameter(torch.randn(1, self.rows * self.columns + 1, d_model))
        self.dropout = nn.Dropout(dropout)
        self.patch = patch

    def forward(self, images):
        new = (images.shape[2] // self.patch, images.shape[3] // self.patch)
        positions = interpolate_positions(self.pos_embedding, (self.rows, self.columns), new)
        sequences = []
        for picture in self.patches(images):
            sequences.append(torch.cat([self.class_token[0], picture]) + positions[0])
        return self.dropout(torch.stack(sequences))


class VisionEncoder(nn.Module):
    def __init__(self, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            layer = transformer.EncoderLayer(d_model, heads, d_ff, dropout, True, "gelu", 1e-6)
            self.layers.append(layer)
        self.norm = transformer.LayerNorm(d_model, 1e-6)

    def forward(self, x):
        for i in range(len(self.layers)):
            x = self.layers[i](x, None)
        x = self.norm(x)
        return x


class ViT(nn.Module):
    def __init__(self, image_size, patch, channels, classes, d_model, heads, d_ff, num_layers, dropout=0.0):
        super().__init__()
        self.embedding = VisionEmbedding(image_size, patch, channels, d_model, dropout)
        self.encoder = VisionEncoder(d_model, heads, d_ff, num_layers, dropout)
        self.head = nn.Linear(d_model, classes)

    def forward(self, images):
        tokens = self.encoder(self.embedding(images))
        class_tokens = []
        for b in range(tokens.shape[0]):
            class_tokens.append(tokens[b][0])
        return self.head(torch.stack(class_tokens))


def vit_parameters(image_size, patch, channels, classes, d_model, d_ff, num_layers):
    total = 0
    total += channels * patch * patch * d_model  # projection
    total += d_model
    total += d_model  # class token
    n = image_size[0] // patch * (image_size[1] // patch)
    total += (n + 1) * d_model
    for _ in range(num_layers):
        for _ in range(4):
            total += d_model * d_model + d_model
        total += d_model * d_ff + d_ff
        total += d_ff * d_model + d_model
        total += d_model + d_model
        total += d_model + d_model
    total += d_model + d_model
    total += d_model * classes + classes
    return total


class SmallCNN(nn.Module):
    def __init__(self, channels, classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, classes)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()

    def forward(self, images):
        x = self.conv1(images)
        x = self.relu(x)
        x = self.pool(x)
        x = self.conv2(x)
        x = self.relu(x)
        x = x.mean(-1).mean(-1)
        return self.head(x)


def cosine_rates(steps, peak, warmup):
    rates = []
    for i in range(steps):
        s = i + 1
        if s <= warmup:
            rate = peak * (s / warmup)
        else:
            part = (s - warmup) / (steps - warmup)
            rate = peak * (1 + cos(pi * part)) / 2
        rates.append(rate)
    return rates


def fit(model, batches, optimizer, rates=None):
    model = model.train()
    losses = []
    step = 0
    for batch in batches:
        images = batch[0]
        labels = batch[1]
        if rates:
            for i in range(len(optimizer.param_groups)):
                optimizer.param_groups[i]["lr"] = rates[step]
        optimizer.zero_grad()
        output = model(images)
        loss = cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
        step += 1
    return losses


def accuracy(model, images, labels, batch_size=256):
    model.eval()
    right = 0
    for image, label in zip(images, labels):
        with torch.no_grad():
            logits = model(image.unsqueeze(0))[0]
        if int(torch.argmax(logits)) == int(label):
            right += 1
    return right / len(labels)


def attention_rollout(maps):
    tokens = maps[0].shape[-1]
    answers = []
    for b in range(maps[0].shape[0]):
        seen = torch.zeros(tokens).to(maps[0])
        seen[0] = 1.0
        for weights in reversed(maps):  # from the class token backwards, as a row vector
            heads = weights[b]
            average = heads[0]
            for h in range(1, heads.shape[0]):
                average = average + heads[h]
            average = average / heads.shape[0]
            seen = 0.5 * (seen @ average) + 0.5 * seen
        answers.append(seen[1:])
    return torch.stack(answers)


def shuffle_patches(images, patch, order):
    patches = patchify(images, patch)
    chosen = [patches[:, int(i)] for i in order]
    return unpatchify(torch.stack(chosen, dim=1), patch, images.shape[2], images.shape[3])
