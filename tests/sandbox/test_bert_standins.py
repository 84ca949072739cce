"""The stand-ins for a BERT's parts against loops, tables looked up by hand and torch's own functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.sandbox.standins import STAND_INS

V, D, HEADS, D_FF, LAYERS, MAX_LEN = 13, 8, 2, 12, 2, 9
SIZES = (V, D, HEADS, D_FF, LAYERS, MAX_LEN)


def drawn(*shape: int) -> Tensor:
    """Float64 numbers from N(0, 1), the same for the same shape."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def build(name: str, *args: Any) -> Any:
    """A stand-in in float64 with random parameters, none of them zero or one."""
    built = STAND_INS[name](*args).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(0.5 * drawn(*parameter.shape))
    return built


def rows() -> tuple[Tensor, Tensor, Tensor]:
    """Ids, segments and mask; the second row has padding."""
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    ids = torch.tensor([[2, 7, 3, 9, 3], [2, 11, 3, 0, 0]])
    return ids, torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]), mask


@pytest.mark.parametrize("fate", [0.0, 0.7999, 0.8, 0.8999, 0.9, 0.9999])
@pytest.mark.parametrize("chosen", [True, False])
def test_masks_token_by_token(fate: float, *, chosen: bool) -> None:
    """Hidden below 0.8, swapped below 0.9, else kept; with a label where it was chosen."""
    inputs, labels = STAND_INS["apply_masks"](
        torch.tensor([[7]]), torch.tensor([[chosen]]), torch.tensor([[fate]], dtype=torch.float64), torch.tensor([[11]])
    )
    due = (4 if fate < 0.8 else 11 if fate < 0.9 else 7) if chosen else 7
    assert (inputs.item(), labels.item()) == (due, 7 if chosen else -100)
    assert inputs.dtype == labels.dtype == torch.int64


def test_gelu_has_the_erf_form() -> None:
    """It is x times the normal distribution function."""
    x = 3 * drawn(50)
    torch.testing.assert_close(STAND_INS["gelu"](x), x * torch.special.ndtr(x))


def test_embeddings_are_three_tables_summed() -> None:
    """Row by row, then normalised with eps 1e-12; dropout follows the mode."""
    model, (ids, segments, _) = build("BertEmbeddings", V, D, MAX_LEN), rows()
    word, place, text = (getattr(model, f"{name}_embeddings").weight for name in ("word", "position", "segment"))
    summed = torch.empty(*ids.shape, D, dtype=torch.float64)
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            summed[b, t] = word[ids[b, t]] + place[t] + text[segments[b, t]]
    expected = F.layer_norm(summed, (D,), model.norm.weight, model.norm.bias, 1e-12)
    torch.testing.assert_close(model(ids, segments), expected)
    dropping = STAND_INS["BertEmbeddings"](V, D, MAX_LEN, 0.5).double()
    assert not torch.equal(dropping(ids, segments), dropping(ids, segments))
    assert torch.equal(dropping.eval()(ids, segments), dropping(ids, segments))


def test_bert_is_its_layers_one_after_the_other() -> None:
    """Each hides the padding; the pooler reads the first token."""
    model, (ids, segments, mask) = build("Bert", *SIZES), rows()
    x = model.embeddings(ids, segments)
    for layer in model.layers:
        x = layer(x, mask[:, None, None, :])
    hidden, pooled = model(ids, segments, mask)
    torch.testing.assert_close(hidden, x)
    torch.testing.assert_close(pooled, torch.tanh(model.pooler(x[:, 0])))
    alone = model(ids[1:, :3], segments[1:, :3], mask[1:, :3])
    torch.testing.assert_close(alone[0], hidden[1:, :3])
    assert {"embeddings.norm.bias", "layers.1.self_attn.w_q.weight", "pooler.bias"} <= set(model.state_dict())


def test_head_scores_by_the_table() -> None:
    """A dot product with every row, and a bias."""
    model, hidden, table = build("MLMHead", D, V), drawn(2, 5, D), drawn(V, D)
    bent = model.norm(F.gelu(F.linear(hidden, model.transform.weight, model.transform.bias)))
    expected = torch.stack([(bent * row).sum(-1) for row in table], -1) + model.bias
    torch.testing.assert_close(model(hidden, table), expected)


def test_loss_is_the_sum_of_two_means() -> None:
    """Over the labels that are there, and 0 in place of the mean of nothing."""
    words, after, next_labels = drawn(2, 5, V), drawn(2, 2), torch.tensor([1, 0])
    labels = torch.tensor([[-100, 3, -100, 0, -100], [-100, -100, 12, -100, -100]])
    pairs = -after.log_softmax(-1)[[0, 1], next_labels].mean()
    places = [words.log_softmax(-1)[b, t, i] for b, t, i in ((0, 1, 3), (0, 3, 0), (1, 2, 12))]
    loss = STAND_INS["pretrain_loss"]
    torch.testing.assert_close(loss(words, after, labels, next_labels), pairs - sum(places) / 3)
    torch.testing.assert_close(loss(words, after, torch.full_like(labels, -100), next_labels), pairs)


def test_models_have_the_names_and_the_losses_of_the_assignment() -> None:
    """One table for both ends, a pooled vector for pairs and classes."""
    ids, segments, mask = rows()
    model = build("BertForPreTraining", *SIZES)
    hidden, pooled = model.bert(ids, segments, mask)
    words, after = model(ids, segments, mask)
    torch.testing.assert_close(words, model.mlm(hidden, model.bert.embeddings.word_embeddings.weight))
    torch.testing.assert_close(after, model.nsp(pooled))
    labels, next_labels = ids.masked_fill(ids < 9, -100), torch.tensor([0, 1])
    expected = STAND_INS["pretrain_loss"](words, after, labels, next_labels)
    torch.testing.assert_close(model.loss(ids, segments, mask, labels, next_labels), expected)
    sorter = build("BertForClassification", 5, *SIZES)
    logits = sorter.classifier(sorter.bert(ids, segments, mask)[1])
    torch.testing.assert_close(sorter(ids, segments, mask), logits)
    torch.testing.assert_close(
        sorter.loss(ids, segments, mask, torch.tensor([4, 0])), F.cross_entropy(logits, torch.tensor([4, 0]))
    )
    assert set(model.state_dict()) - {f"bert.{name}" for name in model.bert.state_dict()} == {
        "mlm.bias", "mlm.transform.weight", "mlm.transform.bias", "mlm.norm.weight", "mlm.norm.bias",
        "nsp.weight", "nsp.bias",
    }  # fmt: skip
