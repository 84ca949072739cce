"""The solution of a6 against an encoder of nn.TransformerEncoderLayer, weights copied over: they agree to 1e-8."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.sandbox.loading import import_apart

torch.set_num_threads(1)

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
EXACT = {"rtol": 0.0, "atol": 1e-8}
V, D, HEADS, D_FF, LAYERS, MAX_LEN, CLASSES = 17, 24, 3, 40, 2, 11, 7
SIZES = (V, D, HEADS, D_FF, LAYERS, MAX_LEN)
RENAMED = {
    "bert.embeddings.word_embeddings.": "words.",
    "bert.embeddings.position_embeddings.": "positions.",
    "bert.embeddings.segment_embeddings.": "segments.",
    "bert.embeddings.norm.": "norm.",
    "bert.layers.": "encoder.layers.",
    "self_attn.w_q.": "self_attn.in_proj_",
    "self_attn.w_o.": "self_attn.out_proj.",
    "feed_forward.": "",
    "bert.pooler.": "pooler.",
    "mlm.transform.": "transform.",
    "mlm.norm.": "head_norm.",
    "mlm.bias": "head.bias",
}
"""Beginnings and middles of our names and of those below, whose head has its matrix from the table of words."""


class TorchBert(nn.Module):
    """A BERT of torch's own modules, with a head whose matrix is the table of words."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(V, D), nn.Embedding(MAX_LEN, D)
        self.segments, self.norm = nn.Embedding(2, D), nn.LayerNorm(D, 1e-12)
        layer = nn.TransformerEncoderLayer(D, HEADS, D_FF, 0.0, "gelu", 1e-12, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.pooler, self.transform, self.nsp = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, 2)
        self.head_norm, self.head = nn.LayerNorm(D, 1e-12), nn.Linear(D, V)
        self.head.weight = self.words.weight

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(ids.shape[1]).expand_as(ids)
        x = self.norm(self.words(ids) + self.segments(segments) + self.positions(places))
        x = self.encoder(x, src_key_padding_mask=~mask)
        return self.head(self.head_norm(F.gelu(self.transform(x)))), self.nsp(torch.tanh(self.pooler(x[:, 0])))


@pytest.fixture(scope="module")
def ours() -> ModuleType:
    """The solution's module, on a5's."""
    return import_apart([SOLUTIONS / "a6_bert", SOLUTIONS / "a5_transformer"], "bert")


def rows() -> tuple[Tensor, Tensor, Tensor]:
    """Ids, segments and mask with padding of different lengths."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([[9], [4], [7], [2], [9]])
    mask = torch.arange(9) < lengths
    ids = torch.randint(5, V, (5, 9), generator=generator) * mask
    return ids, ((torch.arange(9) >= lengths // 2) & mask).long(), mask


def test_bert_is_torch_s_encoder(ours: ModuleType, shaken: Any, renamed: Any) -> None:
    """Both heads' logits at real tokens, the loss, and the gradients of all parameters."""
    mine, theirs = shaken(ours.BertForPreTraining(*SIZES)), TorchBert().double()
    copied = renamed(mine.state_dict(), RENAMED)
    theirs.load_state_dict(copied | {"head.weight": copied["words.weight"]})
    ids, segments, mask = rows()
    labels = ids.masked_fill((ids % 3 > 0) | ~mask, -100)
    next_labels = torch.tensor([0, 1, 1, 0, 1])
    answers, gradients = [], []
    for model in (mine, theirs):
        words, after = model(ids, segments, mask)
        answers.append((words[mask].detach(), after.detach()))
        loss = F.cross_entropy(words.flatten(0, 1), labels.flatten()) + F.cross_entropy(after, next_labels)
        if model is mine:
            torch.testing.assert_close(model.loss(ids, segments, mask, labels, next_labels), loss, **EXACT)
        loss.backward()
        gradients.append({name: value.grad for name, value in model.named_parameters()})
    torch.testing.assert_close(answers[0], answers[1], **EXACT)
    torch.testing.assert_close(renamed(gradients[0], RENAMED), gradients[1], **EXACT)


def test_classifier_reads_what_was_pretrained(ours: ModuleType, shaken: Any) -> None:
    """After `load_pretrained` its logits are a linear layer of the pre-trained model's pooled vectors."""
    pretrained = shaken(ours.BertForPreTraining(*SIZES))
    model = shaken(ours.BertForClassification(CLASSES, *SIZES))
    ours.load_pretrained(model, pretrained.state_dict())
    _, pooled = pretrained.bert(*rows())
    torch.testing.assert_close(model(*rows()), model.classifier(pooled), **EXACT)


def test_gelu_is_torch_s(ours: ModuleType, drawn: Any) -> None:
    """The form with erf."""
    x = 5 * drawn(200)
    torch.testing.assert_close(ours.gelu(x), F.gelu(x), **EXACT)


def test_wordpiece_is_the_library_s(ours: ModuleType) -> None:
    """The words of the reference manual in the pieces that the library tokenizers finds, where it is installed."""
    models = pytest.importorskip("tokenizers.models")
    from course_data import manual

    vocabulary = dict(manual.vocabulary())
    theirs = models.WordPiece(vocab=vocabulary, unk_token="[UNK]")
    texts = [text for document in manual.documents("test") for text in document]
    words = {word for text in texts for word in manual.words(text)} | {"übung", "zzz", "unsubclassable"}
    assert len(words) > 1000
    for word in words:
        assert ours.wordpiece(word, vocabulary) == [token.id for token in theirs.tokenize(word)], word


def test_rates_are_torch_s_schedulers(ours: ModuleType) -> None:
    """A linear warm-up and a linear descent, as torch.optim.lr_scheduler has them one after the other."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    lines = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 4, 1.0, total_iters=3),
        torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=10),
    ]
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, lines, milestones=[3])
    rates = []
    for _ in range(13):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert [ours.linear_rate(step, 13, 4, 0.3) for step in range(1, 14)] == pytest.approx(rates)


def test_pairs_are_of_the_documents(ours: ModuleType) -> None:
    """Every pair of real documents: a is a sentence, b follows it or stands in another document."""
    from course_data import manual

    vocabulary = manual.vocabulary()
    documents = [
        [[i for word in manual.words(text) for i in ours.wordpiece(word, vocabulary)] for text in document]
        for document in manual.documents("test")
    ]
    pairs = ours.next_sentence_pairs(documents, torch.Generator().manual_seed(2))
    neighbours = [(number, place) for number, doc in enumerate(documents) for place in range(len(doc) - 1)]
    assert len(pairs) == len(neighbours)
    for (a, b, label), (number, place) in zip(pairs, neighbours, strict=True):
        assert a == documents[number][place]
        if label == 0:
            assert b == documents[number][place + 1]
        else:
            assert any(b in other for i, other in enumerate(documents) if i != number)
    assert 0.4 < sum(label for *_, label in pairs) / len(pairs) < 0.6
