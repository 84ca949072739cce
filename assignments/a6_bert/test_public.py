"""The checks that you have: `pytest` in this folder runs them against your bert.py.

The right answers come from torch's own layers or from a case small enough for pencil and paper. `student` stands for
your file, `draw` makes random numbers. Sizes are pairwise different, so that a wrong axis cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks import Draw, bans, builtin, check_that, hint, load, needs, points, same, state, trains

PAD, UNK, CLS, SEP, MASK, FIRST_WORD, IGNORE = 0, 1, 2, 3, 4, 5, -100
V, D, HEADS, D_FF, LAYERS, MAX_LEN = 11, 6, 3, 10, 4, 9
"""Sizes of the models in these checks."""
SIZES = (V, D, HEADS, D_FF, LAYERS, MAX_LEN)
Weights = dict[str, Tensor]

# --- random weights, and a BERT made of torch's own layers -----------------------------------------------------------


def linear_weights(draw: Draw, name: str, inputs: int, outputs: int) -> Weights:
    """Random weights of a linear layer: none is zero, the bias neither."""
    shapes = {"weight": (outputs, inputs), "bias": (outputs,)}
    return {f"{name}.{kind}": draw.uniform(*shape, low=-0.7, high=0.7) for kind, shape in shapes.items()}


def norm_weights(draw: Draw, name: str) -> Weights:
    """Random weights of a LayerNorm, far from ones and zeros."""
    return {f"{name}.weight": draw.uniform(D, low=0.5, high=2.0), f"{name}.bias": draw(D)}


def embedding_weights(draw: Draw, name: str = "") -> Weights:
    """Random weights of a BertEmbeddings."""
    tables = {"word": V, "position": MAX_LEN, "segment": 2}
    weights = {f"{name}{table}_embeddings.weight": draw(size, D) for table, size in tables.items()}
    return weights | norm_weights(draw, f"{name}norm")


def bert_weights(draw: Draw, name: str = "") -> Weights:
    """Random weights of a Bert."""
    weights = embedding_weights(draw, f"{name}embeddings.")
    for layer in (f"{name}layers.{number}" for number in range(LAYERS)):
        for part in "qkvo":
            weights |= linear_weights(draw, f"{layer}.self_attn.w_{part}", D, D)
        weights |= linear_weights(draw, f"{layer}.feed_forward.linear1", D, D_FF)
        weights |= linear_weights(draw, f"{layer}.feed_forward.linear2", D_FF, D)
        weights |= norm_weights(draw, f"{layer}.norm1") | norm_weights(draw, f"{layer}.norm2")
    return weights | linear_weights(draw, f"{name}pooler", D, D)


def layer_of_torch(weights: Weights) -> nn.Module:
    """Torch's encoder layer with the weights of one of ours; torch keeps w_q, w_k and w_v in one matrix."""
    layer = nn.TransformerEncoderLayer(D, HEADS, D_FF, 0.0, F.gelu, 1e-12, batch_first=True)
    theirs = {}
    for kind in ("weight", "bias"):
        theirs[f"self_attn.in_proj_{kind}"] = torch.cat([weights[f"self_attn.w_{part}.{kind}"] for part in "qkv"])
        theirs[f"self_attn.out_proj.{kind}"] = weights[f"self_attn.w_o.{kind}"]
        for part in ("linear1", "linear2"):
            theirs[f"{part}.{kind}"] = weights[f"feed_forward.{part}.{kind}"]
        for part in ("norm1", "norm2"):
            theirs[f"{part}.{kind}"] = weights[f"{part}.{kind}"]
    layer.to(weights["norm1.weight"].dtype).load_state_dict(theirs)
    return layer


def below(weights: Mapping[str, Tensor], name: str) -> Weights:
    """The weights of one part, under the names that they have there."""
    return {key[len(name) :]: value for key, value in weights.items() if key.startswith(name)}


def embedded(weights: Weights, ids: Tensor, segments: Tensor) -> Tensor:
    """What BertEmbeddings should return."""
    rows = (
        F.embedding(ids, weights["word_embeddings.weight"])
        + F.embedding(segments, weights["segment_embeddings.weight"])
        + weights["position_embeddings.weight"][: ids.shape[1]]
    )
    return F.layer_norm(rows, (D,), weights["norm.weight"], weights["norm.bias"], 1e-12)


def torch_bert(weights: Weights, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What Bert should return, from torch's own layers; in training mode, for in evaluation they take another path."""
    hidden = embedded(below(weights, "embeddings."), ids, segments)
    for number in range(LAYERS):
        hidden = layer_of_torch(below(weights, f"layers.{number}."))(hidden, src_key_padding_mask=mask.logical_not())
    pooled = torch.tanh(F.linear(hidden[:, 0], weights["pooler.weight"], weights["pooler.bias"]))
    return hidden.detach(), pooled.detach()


def some_rows(draw: Draw, rows: int = 4, width: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Random ids, segments and mask (rows, width), with padding behind the rows."""
    places, lengths = torch.arange(width), draw.lengths(rows, low=2, high=width)[:, None]
    mask = places < lengths
    ids = draw.ints(rows, width, low=FIRST_WORD, high=V)
    ids[:, 0] = CLS
    return ids * mask, ((places >= lengths // 2) & mask).long(), mask


# --- 1. from text to rows of ids -------------------------------------------------------------------------------------

PIECES = {
    "[PAD]": 0,
    "[UNK]": 1,
    "[CLS]": 2,
    "[SEP]": 3,
    "[MASK]": 4,
    "play": 5,
    "##ing": 6,
    "p": 7,
    "##l": 8,
    "##ay": 9,
    "er": 10,
    "##er": 11,
    "##s": 12,
    "un": 13,
    "##play": 14,
    "#ing": 15,  # a word of its own that begins with one #
}


@points(2)
@hint(
    "Which is the longest piece that fits here? Inside a word, pieces begin with ##, and the whole word fails at once."
)
@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("playing", ["play", "##ing"]),
        ("players", ["play", "##er", "##s"]),
        ("unplay", ["un", "##play"]),
        ("er", ["er"]),
        ("played", ["[UNK]"]),
    ],
)
def test_wordpiece(student, word, pieces):
    """`wordpiece` splits a word into the longest pieces that fit."""
    same(student.wordpiece(word, PIECES), [PIECES[piece] for piece in pieces])


def all_int64(answer: Any, count: int) -> None:
    """Fail unless the first tensors of an answer are int64, as tables and cross-entropies want their ids."""
    for tensor in tuple(answer)[:count]:
        check_that(tensor.dtype == torch.int64, f"{str(tensor.dtype)[6:]} where int64 is asked for", kind="dtype")


@points(3)
@hint("[CLS] a [SEP] b [SEP], then PAD. The first [SEP] belongs to a. Segments at padding are 0, the mask is boolean.")
def test_build_pair(student):
    """`build_pair` puts two texts, or one, into a row."""
    ids = torch.tensor([CLS, 11, 12, 13, SEP, 21, 22, SEP, PAD])
    segments = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 0])
    pair = student.build_pair([11, 12, 13], [21, 22], 9)
    same(pair, [ids, segments, ids != PAD], what="two texts")
    all_int64(pair, 2)
    same(
        student.build_pair([11, 12, 13], [21, 22], 8), [ids[:8], segments[:8], ids[:8] != PAD], what="just enough room"
    )
    cut = [student.build_pair(a, b, 8)[0] for a, b in (([11, 12, 13, 14, 15], [21, 22]), ([11, 12], [21, 22, 23, 24]))]
    due = [[CLS, 11, 12, 13, SEP, 21, 22, SEP], [CLS, 11, 12, SEP, 21, 22, 23, SEP]]
    same(cut, [torch.tensor(row) for row in due], what="whichever is longer loses tokens")
    one = torch.tensor([CLS, 11, 12, 13, SEP, PAD])
    same(student.build_pair([11, 12, 13], None, 6), [one, 0 * one, one != PAD], what="one text")


# --- 2. two tasks that need no labels --------------------------------------------------------------------------------


@points(3)
@hint("fate < 0.8: MASK; from 0.8 to 0.9: the token of words; else itself. The label is the token that was there.")
def test_apply_masks(student, draw):
    """`apply_masks` hides, swaps or keeps the chosen tokens, and labels them."""
    ids = torch.tensor([[CLS, 11, 12, 13, SEP], [CLS, 14, 15, 16, SEP]])
    chosen = torch.tensor([[False, True, True, True, False], [False, False, True, False, False]])
    fate = torch.tensor([[0.1, 0.79, 0.85, 0.95, 0.5], [0.82, 0.1, 0.05, 0.85, 0.95]]).to(draw(1))
    words = ids + 50
    inputs = torch.tensor([[CLS, MASK, 62, 13, SEP], [CLS, 14, MASK, 16, SEP]])
    labels = torch.tensor([[IGNORE, 11, 12, 13, IGNORE], [IGNORE, IGNORE, 15, IGNORE, IGNORE]])
    masked = student.apply_masks(ids, chosen, fate, words)
    same(masked, [inputs, labels])
    all_int64(masked, 2)


@points(2)
@needs("apply_masks")
@hint("Special ids are never chosen. A label is the token itself where it was chosen, and IGNORE elsewhere.")
def test_mask_tokens(student, draw):
    """`mask_tokens` leaves special ids alone and labels what it chose."""
    ids = draw.ints(60, 40, high=60)
    inputs, labels = student.mask_tokens(ids, 90, draw.generator(), p=0.5)
    same([list(inputs.shape), list(labels.shape)], [[60, 40]] * 2, what="shapes")
    special, chosen = ids < FIRST_WORD, labels != IGNORE
    check_that(bool(chosen.any()), "nothing is chosen")
    check_that(not bool((chosen & special).any()), "a special id is chosen: [CLS], [SEP] and [PAD] carry no word")
    same(labels[chosen], ids[chosen], what="labels where something is chosen")
    same(inputs[~chosen], ids[~chosen], what="inputs where nothing is chosen")
    new = inputs[chosen]
    check_that(bool(((new == MASK) | (new >= FIRST_WORD)).all()), "a chosen token became a special id other than MASK")
    check_that(bool((new < 90).all()), "a chosen token became an id that the vocabulary does not have")


def as_pairs(answer: Any) -> list[tuple[list[int], list[int], int]]:
    """Pairs as plain lists and numbers, however they were written."""
    return [([int(i) for i in a], [int(i) for i in b], int(label)) for a, b, label in answer]


@points(2)
@hint("One pair for every two neighbours. 0 = b follows a, 1 = b is from another document, never from the same one.")
def test_next_sentence_pairs(student, draw):
    """`next_sentence_pairs` makes one pair of every two neighbours, about half of them true."""
    documents = [[[100 * number + place, 7] for place in range(12)] for number in (1, 2, 3)]
    pairs = as_pairs(student.next_sentence_pairs(documents, draw.generator()))
    firsts = [sentence for document in documents for sentence in document[:-1]]
    same([a for a, _, _ in pairs], firsts, what="the first sentences")
    for a, b, label in pairs:
        if label == 0:
            same(b, [a[0] + 1, 7], what="the second sentence of a pair with label 0")
        else:
            known = any(b in document for document in documents)
            check_that(known, "a second sentence that stands in no document")
            check_that(b[0] // 100 != a[0] // 100, "a random second sentence is of the same document as the first")
    check_that({label for _, _, label in pairs} == {0, 1}, "33 pairs, and only one of the labels 0 and 1")


# --- 3. the encoder --------------------------------------------------------------------------------------------------


@points(1)
@bans("attention", "gelu")
@hint("x times the probability that a standard normal number is below x: the erf form, not the one with tanh.")
def test_gelu(student, draw):
    """`gelu` is x times the normal distribution function."""
    x = 3 * draw(4, 5)
    same(student.gelu(x), x * (1 + torch.erf(x / 2**0.5)) / 2)


@points(3)
@hint("Three rows are summed: of the word, of the place (0, 1, 2, ...), of the segment. The norm comes behind the sum.")
def test_bert_embeddings(student, draw):
    """`BertEmbeddings` sums word, position and segment, and normalises."""
    weights, (ids, segments, _) = embedding_weights(draw), some_rows(draw)
    model = student.BertEmbeddings(V, D, MAX_LEN)
    load(model, weights)
    same(model(ids, segments), embedded(weights, ids, segments))


@points(4)
@needs("gelu", "BertEmbeddings")
@hint("Post-LN, gelu, eps 1e-12; every token sees the real tokens on both sides; the pooler reads the first token.")
def test_bert(student, draw):
    """`Bert` agrees with torch's own encoder layers."""
    weights, rows = bert_weights(draw), some_rows(draw)
    model = student.Bert(*SIZES)
    load(model, weights)
    same(model(*rows), torch_bert(weights, *rows), only=[rows[-1], None])


@points(1)
@needs("Bert")
@hint("N(0, 0.02^2): 0.02 is the standard deviation. Biases 0, the weights of LayerNorms 1.")
def test_init_weights(student, draw):
    """`init_weights` draws small matrices and leaves norms and biases plain."""
    model = student.Bert(40, 24, 4, 50, LAYERS)
    student.init_weights(model, draw.generator())
    found, matrices = state(model), []
    for name, like in bert_weights(draw).items():
        check_that(name in found, f"the model has no {name}")
        if like.ndim > 1:
            matrices.append(found[name].flatten())
        else:
            same(found[name], 0 * found[name] + ("bias" not in name), what=name)
    spread = float(torch.cat(matrices).std())
    check_that(0.019 < spread < 0.021, f"the standard deviation of all matrices together is {spread:.2g}, not 0.02")


# --- 4. pre-training -------------------------------------------------------------------------------------------------


def head_weights(draw: Draw, name: str = "") -> Weights:
    """Random weights of an MLMHead."""
    return linear_weights(draw, f"{name}transform", D, D) | norm_weights(draw, f"{name}norm") | {f"{name}bias": draw(V)}


def scored(weights: Weights, hidden: Tensor, table: Tensor) -> Tensor:
    """What MLMHead should return."""
    bent = F.gelu(F.linear(hidden, weights["transform.weight"], weights["transform.bias"]))
    bent = F.layer_norm(bent, (D,), weights["norm.weight"], weights["norm.bias"], 1e-12)
    return bent @ table.mT + weights["bias"]


@points(2)
@needs("gelu")
@hint("Linear, gelu, norm; then the dot product with every row of the table, and one number for every id.")
def test_mlm_head(student, draw):
    """`MLMHead` scores every id by its row of the table."""
    weights, hidden, table = head_weights(draw), draw(4, 7, D), draw(V, D)
    head = student.MLMHead(D, V)
    load(head, weights)
    same(head(hidden, table), scored(weights, hidden, table))


@points(3)
@hint("Two means are added: over the places whose label is not IGNORE, and over the rows. Label 0 is a class like 1.")
def test_pretrain_loss(student, draw):
    """`pretrain_loss` is the sum of both mean cross-entropies."""
    words, after = draw(4, 7, V), draw(4, 2)
    labels, next_labels = draw.ints(4, 7, high=V), torch.tensor([0, 1, 1, 0])
    labels[draw.uniform(4, 7) < 0.6] = IGNORE
    labels[0, 0] = 3
    chosen = labels != IGNORE
    expected = F.cross_entropy(words[chosen], labels[chosen]) + F.cross_entropy(after, next_labels)
    same(student.pretrain_loss(words, after, labels, next_labels), expected)


@points(2)
@needs("Bert", "MLMHead")
@hint("The MLM head reads all places, the NSP head the pooled vector. The table is that of the encoder's embeddings.")
def test_pretraining_model(student, draw):
    """`BertForPreTraining` has two heads on one encoder."""
    weights, rows = bert_weights(draw, "bert."), some_rows(draw)
    weights |= head_weights(draw, "mlm.") | linear_weights(draw, "nsp", D, 2)
    model = student.BertForPreTraining(*SIZES)
    load(model, weights)
    hidden, pooled = torch_bert(below(weights, "bert."), *rows)
    words = scored(below(weights, "mlm."), hidden, weights["bert.embeddings.word_embeddings.weight"])
    after = F.linear(pooled, weights["nsp.weight"], weights["nsp.bias"])
    same(model(*rows), [words, after], only=[rows[-1], None])


# --- 5. fine-tuning --------------------------------------------------------------------------------------------------


@points(2)
@needs("Bert")
@hint("The classifier reads the pooled vector. It returns logits, and its loss is their mean cross-entropy.")
def test_classifier(student, draw):
    """`BertForClassification` sorts by the pooled vector."""
    weights, rows = bert_weights(draw, "bert."), some_rows(draw)
    weights |= linear_weights(draw, "classifier", D, 5)
    model = student.BertForClassification(5, *SIZES)
    load(model, weights)
    _, pooled = torch_bert(below(weights, "bert."), *rows)
    logits = F.linear(pooled, weights["classifier.weight"], weights["classifier.bias"])
    same(model(*rows), logits)
    classes = torch.tensor([0, 4, 1, 4])
    same(model.loss(*rows, classes), F.cross_entropy(logits, classes), what="the loss")


@points(2)
@needs("BertForPreTraining", "BertForClassification")
@hint("Which names do both models share? After loading, every weight of the encoder is the pre-trained one.")
def test_load_pretrained(student, draw):
    """`load_pretrained` copies the encoder and nothing else."""
    weights = bert_weights(draw, "bert.") | linear_weights(draw, "classifier", D, 5)
    model, pretrained = student.BertForClassification(5, *SIZES), student.BertForPreTraining(*SIZES)
    load(model, weights)
    encoder = bert_weights(draw, "bert.")
    load(pretrained, encoder | head_weights(draw, "mlm.") | linear_weights(draw, "nsp", D, 2))
    student.load_pretrained(model, pretrained.state_dict())
    found = state(model)
    for name, value in (weights | encoder).items():
        check_that(name in found, f"the model has no {name}")
        same(found[name], value, what=name)


# --- 6. training -----------------------------------------------------------------------------------------------------


@points(1)
@hint("The first step is number 1. Step `warmup` has the peak, and the rate would be 0 at step total + 1.")
def test_linear_rate(student):
    """`linear_rate` goes up and down in straight lines."""
    rates = [student.linear_rate(step, 10, 3, 0.6) for step in range(1, 11)]
    due = [0.2, 0.4, 0.6, 0.525, 0.45, 0.375, 0.3, 0.225, 0.15, 0.075]
    same(rates, due)


def after_one_step(bias: Tensor, classes: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """The bias after a step of gradient descent, and the loss before it, where the logits are the bias in every row."""
    shares = F.one_hot(classes, len(bias)).to(bias).mean(dim=0)
    loss = F.cross_entropy(bias.expand(len(classes), -1), classes)
    return bias - rate * (bias.softmax(dim=0) - shares), loss


@points(2)
@needs("BertForClassification")
@trains(cpu_s=10)
@hint("For every batch: set the rate, clear, loss, backward, step, note the loss. Without rates the optimizer's stays.")
@pytest.mark.parametrize("rates", [None, [0.5, 0.1, 0.9]])
def test_fit_worked_example(student, draw, rates):
    """`fit` takes the known steps where only the last bias learns."""
    weights = bert_weights(draw, "bert.") | linear_weights(draw, "classifier", D, 5)
    # The pooler is silenced: what it returns is 0, so the logits are the bias in every row, and the weight stays.
    weights |= {f"bert.pooler.{kind}": 0 * weights[f"bert.pooler.{kind}"] for kind in ("weight", "bias")}
    model = student.BertForClassification(5, *SIZES)
    load(model, weights)
    optimizer = builtin(student, "torch.optim.SGD", model.classifier.parameters(), lr=0.7)
    batches = [(*some_rows(draw, count), draw.ints(count, high=5)) for count in (4, 2, 3)]
    losses = student.fit(model, batches, optimizer, rates)
    bias, expected = weights["classifier.bias"], []
    for (*_, classes), rate in zip(batches, rates or [0.7] * 3, strict=True):
        bias, loss = after_one_step(bias, classes, rate)
        expected.append(loss.item())
    same(state(model)["classifier.bias"], bias, what="the bias after three batches")
    same(losses, expected, what="the losses")
