"""Assignment 6: BERT, from pieces of words to a model that is pre-trained on text and then taught a task.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`BertEmbeddings(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before
it looks at the parts that call it, so that one mistake costs its points once. The same holds for the `EncoderLayer`
that you import from your transformer.py of assignment 5.

Shapes: B batch, T tokens of a row, d = d_model, V vocabulary, C classes.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, T), (B, T, d)
    special ids  PAD = 0, UNK = 1, CLS = 2, SEP = 3, MASK = 4; every id from FIRST_WORD = 5 on is a piece of a word
    masks        boolean, True = a real token, which may be attended
    segments     0 from [CLS] to the first [SEP], 1 after it up to the second [SEP]; 0 at padding
    residuals    post-LN, every LayerNorm with eps = 1e-12, GELU in the erf form
    masking      15 % of the word pieces, of these 80 % to MASK, 10 % to a random piece, 10 % as they are
    labels       IGNORE = -100 where nothing is to be predicted
    next         0 = the second text follows the first, 1 = it does not
    randomness   all of it comes from the torch.Generator that is passed in
    dropout      checks use 0 nearly always

Source of all ideas: Devlin, Chang, Lee, Toutanova 2019, "BERT: Pre-training of Deep Bidirectional Transformers for
Language Understanding" (arXiv 1810.04805); sections and appendices are its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import EncoderLayer

PAD, UNK, CLS, SEP, MASK = range(5)
"""Padding, an unknown word, the start of a row, the end of a text, a hidden token."""
FIRST_WORD = 5
"""The ids from here on are pieces of words; those below are special."""
IGNORE = -100
"""The label of a place where nothing is to be predicted."""

# ---------------------------------------------------------------------------------------------------------------------
# 1. From text to rows of ids
# ---------------------------------------------------------------------------------------------------------------------


def wordpiece(word: str, vocab: Mapping[str, int]) -> list[int]:
    """Split one word into pieces of the vocabulary, the longest first, and return their ids.

    Take the longest piece of `vocab` with which the word begins, then the longest one with which the rest begins, and
    so on. A piece that goes on inside a word is written with ## before it: "playing" = "play" + "##ing". If at some
    place no piece fits, the whole word is [UNK], one id: vocab["[UNK]"]. No word, no ids: "" gives [].
    Source: Schuster, Nakajima 2012; Wu et al. 2016 (arXiv 1609.08144), section 4.1.
    """
    raise NotImplementedError("write wordpiece: see handout.md, '1.1 wordpiece'")


def build_pair(a: list[int], b: list[int] | None, max_len: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (ids, segments, mask), each (max_len,), of [CLS] a [SEP] b [SEP], or of [CLS] a [SEP] where b is None.

    ids and segments are int64, mask is boolean. What is too long loses tokens first: one by one the last token of the
    longer text, of b where both are equally long, until all of it fits. What is too short gets PAD behind it. The
    lists a and b stay as they are. Section 3 (input representation) and A.2. max_len is at least 3, or 2 without b.
    """
    raise NotImplementedError("write build_pair: see handout.md, '1.2 build_pair'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. Two tasks that need no labels
# ---------------------------------------------------------------------------------------------------------------------


def apply_masks(ids: Tensor, chosen: Tensor, fate: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """Hide the chosen tokens: return (inputs, labels), both int64 and as large as ids (B, T).

    chosen (B, T) is boolean, fate (B, T) holds numbers from [0, 1), words (B, T) a random piece for every place.
    inputs: a chosen token becomes MASK where fate < 0.8, the token of `words` where 0.8 <= fate < 0.9, and stays as it
    is where fate >= 0.9; all others stay. labels: ids where chosen, IGNORE elsewhere. ids itself is not changed. A.1.
    """
    raise NotImplementedError("write apply_masks: see handout.md, '2.1 apply_masks and 2.2 mask_tokens'")


def mask_tokens(ids: Tensor, vocab: int, generator: torch.Generator, p: float = 0.15) -> tuple[Tensor, Tensor]:
    """Draw which tokens of ids (B, T) to hide, and hide them: return (inputs, labels) as `apply_masks`.

    Every piece of a word is chosen with probability p; a special id (PAD to MASK) never is. Random pieces come evenly
    from FIRST_WORD .. vocab - 1. All is drawn from `generator`, anew in every call and for every piece on its own.
    Section 3.1, A.1.
    """
    raise NotImplementedError("write mask_tokens: see handout.md, '2.1 apply_masks and 2.2 mask_tokens'")


def next_sentence_pairs(
    documents: Sequence[Sequence[list[int]]], generator: torch.Generator
) -> list[tuple[list[int], list[int], int]]:
    """Make one pair (a, b, label) of every two neighbouring sentences of every document, in their order.

    A document is a sequence of at least one sentence, a sentence a list of ids. a is the first of the two. With
    probability 1/2, b is the second and the label 0; else b is a random sentence of *another* document and the label 1.
    All is drawn from `generator`. With fewer than two documents there is no other one: ValueError. Section 3.1, task 2.
    """
    raise NotImplementedError("write next_sentence_pairs: see handout.md, '2.3 next_sentence_pairs'")


# ---------------------------------------------------------------------------------------------------------------------
# 3. The encoder
# ---------------------------------------------------------------------------------------------------------------------


def gelu(x: Tensor) -> Tensor:
    """Return x * P(Z <= x) for a standard normal Z: x/2 * (1 + erf(x / sqrt(2))), as large as x.

    The erf form, not its approximation by tanh. Source: Hendrycks, Gimpel 2016 (arXiv 1606.08415), section 2.
    """
    raise NotImplementedError("write gelu: see handout.md, '3.1 gelu'")


class BertEmbeddings(nn.Module):
    """Say what a token is, where it stands and in which text: three tables, summed, normalised. Figure 2.

    Attributes: `word_embeddings` = nn.Embedding(V, d), `position_embeddings` = nn.Embedding(max_len, d),
    `segment_embeddings` = nn.Embedding(2, d), `norm` = nn.LayerNorm(d, eps=1e-12), `dropout` = nn.Dropout(dropout).
    """

    def __init__(self, vocab: int, d_model: int, max_len: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        raise NotImplementedError("write BertEmbeddings.__init__: see handout.md, '3.2 BertEmbeddings'")

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        """Return dropout(norm(word + position + segment)), (B, T, d), for ids and segments (B, T), T <= max_len.

        The position of a token is its place in the row, from 0.
        """
        raise NotImplementedError("write BertEmbeddings.forward: see handout.md, '3.2 BertEmbeddings'")


class Bert(nn.Module):
    """Embeddings, encoder layers, and a pooler that sums up the row in one vector. Section 3, A.5.

    Attributes: `embeddings` = BertEmbeddings(V, d, max_len, dropout); `layers`, an nn.ModuleList of `num_layers` times
    EncoderLayer(d, heads, d_ff, dropout) of assignment 5: post-LN, with `gelu` as its activation and eps=1e-12;
    `pooler` = nn.Linear(d, d).
    """

    def __init__(
        self,
        vocab: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        max_len: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write Bert.__init__: see handout.md, '3.3 Bert'")

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (hidden (B, T, d), pooled (B, d)) for ids and segments (B, T), int64, and mask (B, T), boolean.

        hidden is what the last layer returns: every token sees the real tokens of its row, on both sides. pooled =
        tanh(pooler(hidden at [CLS])), [CLS] being the first token. What stands in hidden at padding is left open.
        """
        raise NotImplementedError("write Bert.forward: see handout.md, '3.3 Bert'")


def init_weights(model: nn.Module, generator: torch.Generator) -> None:
    """Draw the first weights of a BERT, in place, from `generator`. A.2 of the paper leaves them to its code.

    All matrices, of linear layers as of embeddings, come from N(0, 0.02^2); biases are 0, the weights of LayerNorms 1.
    """
    raise NotImplementedError("write init_weights: see handout.md, '3.4 init_weights'")


# ---------------------------------------------------------------------------------------------------------------------
# 4. Pre-training: two heads on one encoder
# ---------------------------------------------------------------------------------------------------------------------


class MLMHead(nn.Module):
    """Score every piece of the vocabulary at every place. `__init__` is given: `transform`, `norm`, `bias` (V,)."""

    def __init__(self, d_model: int, vocab: int) -> None:
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        """Return logits (..., V) for hidden (..., d) and the table of word embeddings (V, d).

        norm(gelu(transform(hidden))) times every row of the table, plus the bias: the table that turns ids into vectors
        also turns vectors into scores of ids, so this layer has no matrix (V, d) of its own.
        """
        raise NotImplementedError("write MLMHead.forward: see handout.md, '4.1 MLMHead'")


def pretrain_loss(mlm_logits: Tensor, nsp_logits: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
    """Return the sum of both mean cross-entropies, in nats: a tensor of shape (). A.2.

    mlm_logits (B, T, V), labels (B, T): the mean over the places whose label is not IGNORE; 0 where there is no such
    place. nsp_logits (B, 2), next_labels (B,): the mean over the rows.
    """
    raise NotImplementedError("write pretrain_loss: see handout.md, '4.2 pretrain_loss'")


class BertForPreTraining(nn.Module):
    """A BERT with both heads. The arguments are those of `Bert`.

    Attributes: `bert` = Bert(...), `mlm` = MLMHead(d, V), `nsp` = nn.Linear(d, 2).
    """

    def __init__(
        self,
        vocab: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        max_len: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write BertForPreTraining.__init__: see handout.md, '4.3 BertForPreTraining'")

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mlm_logits (B, T, V), nsp_logits (B, 2)): the one from hidden, the other from pooled; no softmax.

        The table of the MLM head is the encoder's own, `bert.embeddings.word_embeddings.weight`.
        """
        raise NotImplementedError("write BertForPreTraining.forward: see handout.md, '4.3 BertForPreTraining'")

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, labels: Tensor, next_labels: Tensor) -> Tensor:
        """Return `pretrain_loss` of what the model answers to the first three, a tensor of shape ()."""
        raise NotImplementedError("write BertForPreTraining.loss: see handout.md, '4.3 BertForPreTraining'")


def fill_masks(model: nn.Module, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
    """Bonus (0 points): return ids (B, T) with every MASK replaced by the piece that the model finds likeliest there.

    The argmax of the MLM logits over the pieces of words, so no special id is ever written; other tokens stay. `model`
    is called once, as `model(ids, segments, mask)` in evaluation mode, without a graph.
    """
    raise NotImplementedError("write fill_masks: see handout.md, '4.4 Bonus: fill_masks'")


# ---------------------------------------------------------------------------------------------------------------------
# 5. Fine-tuning: the same encoder, another head
# ---------------------------------------------------------------------------------------------------------------------


class BertForClassification(nn.Module):
    """A BERT that sorts texts into C classes. Section 3.2. Behind `classes`, the arguments are those of `Bert`.

    Attributes: `bert` = Bert(...), `dropout` = nn.Dropout(dropout), `classifier` = nn.Linear(d, C).
    """

    def __init__(
        self,
        classes: int,
        vocab: int,
        d_model: int,
        heads: int,
        d_ff: int,
        num_layers: int,
        max_len: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write BertForClassification.__init__: see handout.md, '5.1 BertForClassification'")

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        """Return classifier(dropout(pooled)), logits (B, C): no softmax."""
        raise NotImplementedError("write BertForClassification.forward: see handout.md, '5.1 BertForClassification'")

    def loss(self, ids: Tensor, segments: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
        """Return the mean cross-entropy of the true classes (B,), in nats: a tensor of shape ()."""
        raise NotImplementedError("write BertForClassification.loss: see handout.md, '5.1 BertForClassification'")


def load_pretrained(model: BertForClassification, pretrained: Mapping[str, Tensor]) -> None:
    """Copy the encoder of a pre-trained model into `model`, in place; its classifier stays as it is.

    `pretrained` is the state_dict of a BertForPreTraining: the names of its encoder begin with "bert.", as those of
    `model` do; its heads are of no use here. If a parameter of the encoder is missing there, nothing was learned
    for it: KeyError, ValueError or RuntimeError.
    """
    raise NotImplementedError("write load_pretrained: see handout.md, '5.2 load_pretrained'")


# ---------------------------------------------------------------------------------------------------------------------
# 6. Training
# ---------------------------------------------------------------------------------------------------------------------


def linear_rate(step: int, total: int, warmup: int, peak: float) -> float:
    """Return the learning rate of a step: up to `peak` in `warmup` steps, then down to 0 one step after the last. A.2.

    rate = peak * min(step / warmup, (total + 1 - step) / (total + 1 - warmup)); steps are counted from 1 to `total`,
    and 1 <= warmup <= total.
    """
    raise NotImplementedError("write linear_rate: see handout.md, '6.1 linear_rate'")


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, ...]],
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float] | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    It pre-trains and it fine-tunes: the loss of a batch is `model.loss(*batch)`, whatever the model is. All weights
    learn. The model may come in evaluation mode and with old gradients: train in training mode, from cleared ones.
    With `rates`, one for each batch, every group of the optimizer has the batch's rate in its step; without, the
    optimizer's own rate stays. Whether model is in training mode afterwards, and what its gradients are, is left open.
    """
    raise NotImplementedError("write fit: see handout.md, '6.2 fit'")
