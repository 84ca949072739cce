"""Assignment 3: from one sequence to another through a vector of fixed length.

Work from top to bottom: no part needs a part below it, and every part has checks of its own. Use an earlier part by
its name (`decoder.step(...)`, not a copy of it): where it is wrong, the grader puts a right one in its place before it
looks at the parts that call it, so that one mistake costs its points once.

Shapes: B batch, S source length, T target length, E embedding size, H hidden size, L layers, V vocabulary.

Choices of this course (other books choose otherwise; these are graded):
    layout       batch first: (B, S) and (B, S, features); a state is (L, B, H), as torch has it
    ids          PAD = 0, SOS = 1, EOS = 2, UNK = 3; the first token of the vocabulary is 4
    masks        True = a real token
    state        of "gru" the tensor h (L, B, H); of "lstm" the pair (h, c), each (L, B, H)
    a target     SOS y1 .. yn EOS, then PAD; the decoder reads all but the last column and predicts all but the first
    loss         mean over the real targets, EOS among them; PAD is no target
    forcing      ratio 1 reads the true tokens, ratio 0 the model's own
    decoding     argmax over all V ids; after its EOS a row holds PAD; SOS is not part of the result
    randomness   a function that draws takes a torch.Generator and uses no other source
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD, SOS, EOS, UNK = 0, 1, 2, 3
"""Padding, start of sequence, end of sequence, a token that is not in the vocabulary."""

State = Tensor | tuple[Tensor, Tensor]
"""What a recurrent network carries: h (L, B, H) for "gru", the pair (h, c) for "lstm"."""

# ---------------------------------------------------------------------------------------------------------------------
# 1. Text as numbers
# ---------------------------------------------------------------------------------------------------------------------


class Vocab:
    """Tokens (characters or words) and their ids: 0 to 3 are PAD, SOS, EOS, UNK, then the tokens as they come.

    `Vocab("abca")` and `Vocab(["a", "b", "c"])` both give a = 4, b = 5, c = 6: a token counts where it occurs first.
    Attribute: `size`, the number of ids, those four among them.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        raise NotImplementedError("write Vocab.__init__: see handout.md, '1.1 Vocab'")

    def encode(self, tokens: Iterable[str], sos: bool = False, eos: bool = False) -> list[int]:
        """Return the ids of the tokens, UNK for one that is not in the vocabulary.

        With `sos`, SOS stands before them; with `eos`, EOS stands behind them. A text is a sequence of characters.
        """
        raise NotImplementedError("write Vocab.encode: see handout.md, '1.1 Vocab'")

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of the ids (Python numbers) up to the first EOS, without SOS, EOS and PAD.

        UNK becomes "<unk>".
        """
        raise NotImplementedError("write Vocab.decode: see handout.md, '1.1 Vocab'")


def pad_batch(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn B lists of ids, each with one id or more, into (ids (B, S), lengths (B,), mask (B, S)).

    S is the longest length. ids, int64: each row is filled up with PAD at its end. lengths, int64: the number of real
    ids in each row. mask, bool: True where an id is real. PAD is in none of the lists; they stay as they are.
    """
    raise NotImplementedError("write pad_batch: see handout.md, '1.2 pad_batch'")


# ---------------------------------------------------------------------------------------------------------------------
# 2. Encoder and decoder
# ---------------------------------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """Read a source and sum it up in a state of fixed size.

    Attributes: `embedding` = nn.Embedding(V, E); `rnn` = nn.GRU (kind "gru") or nn.LSTM (kind "lstm") from E to H with
    `num_layers` layers and `dropout` between them (torch's own argument of this name; active in training mode only).
    Source: Cho et al. 2014, section 2; Sutskever, Vinyals, Le 2014, section 2.
    """

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__()
        raise NotImplementedError("write Encoder.__init__: see handout.md, '2.1 Encoder'")

    def forward(self, src: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Return (enc_out (B, S, H), state): the top layer's states at all places, and every layer's final state.

        src (B, S) and lengths (B,), both int64, 1 <= lengths[b] <= S, in any order; row b is real at places
        0 .. lengths[b] - 1. The network starts at zeros. The state is h_n (L, B, H), or (h_n, c_n) for "lstm", of each
        row *at its last real token*: padding, whatever ids stand there, does not change it. enc_out is as wide as src,
        also where no row is that long; at its padded places stand any finite numbers.
        """
        raise NotImplementedError("write Encoder.forward: see handout.md, '2.1 Encoder'")


class Decoder(nn.Module):
    """Write a target, one token after the other.

    Attributes: `embedding` = nn.Embedding(V, E), `rnn` as in `Encoder`, `out` = nn.Linear(H, V). V is the vocabulary
    of the targets.
    """

    def __init__(
        self, vocab: int, embed: int, hidden: int, num_layers: int = 1, kind: str = "gru", dropout: float = 0.0
    ) -> None:
        super().__init__()
        raise NotImplementedError("write Decoder.__init__: see handout.md, '2.2 Decoder'")

    def step(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one token of each row, y (B,) int64, in the given state; return (logits (B, V), the next state).

        logits are the scores of the token that follows y, from the top layer: no softmax. The given state is not
        changed.
        """
        raise NotImplementedError("write Decoder.step: see handout.md, '2.2 Decoder'")


def decode_teacher_forced(decoder: Decoder, tgt_in: Tensor, state: State) -> Tensor:
    """Return the logits (B, T, V) of a decoder that starts in `state` and reads the given tokens tgt_in (B, T).

    logits[:, t] come from tgt_in[:, 0] .. tgt_in[:, t]: the same numbers as T calls of `decoder.step`, each with the
    state of the one before. Call `step`, or run all places at once; both are right.
    Source: Williams, Zipser 1989 (teacher forcing).
    """
    raise NotImplementedError("write decode_teacher_forced: see handout.md, '2.3 decode_teacher_forced'")


# ---------------------------------------------------------------------------------------------------------------------
# 3. What is learned
# ---------------------------------------------------------------------------------------------------------------------


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    """Split targets tgt (B, T), each SOS y1 .. yn EOS PAD .., into (what is read, what is predicted), each (B, T - 1).

    At place t the decoder reads tgt[:, t] and is to predict tgt[:, t + 1].
    """
    raise NotImplementedError("write shift_targets: see handout.md, '3.1 shift_targets'")


def masked_ce(logits: Tensor, targets: Tensor, pad: int = PAD) -> Tensor:
    """Return the mean cross-entropy, in nats per real target: a tensor of shape ().

    logits (B, T, V), targets (B, T) int64. Targets equal to `pad` (any id) do not count, neither in the sum nor in the
    number that it is divided by. At least one target is real. Logits in the thousands are fine.
    """
    raise NotImplementedError("write masked_ce: see handout.md, '3.2 masked_ce'")


class Seq2Seq(nn.Module):
    """An encoder and a decoder: the final state of one is the initial state of the other.

    Attributes: `encoder` = Encoder(src_vocab, embed, hidden, ...), `decoder` = Decoder(tgt_vocab, embed, hidden, ...),
    both with the same num_layers, kind and dropout.
    """

    def __init__(
        self,
        src_vocab: int,
        tgt_vocab: int,
        embed: int,
        hidden: int,
        num_layers: int = 1,
        kind: str = "gru",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        raise NotImplementedError("write Seq2Seq.__init__: see handout.md, '3.3 Seq2Seq'")

    def forward(
        self,
        src: Tensor,
        lengths: Tensor,
        tgt_in: Tensor,
        teacher_forcing_ratio: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return logits (B, T, V) for sources src (B, S) of these lengths (B,) and tokens tgt_in (B, T), SOS first.

        The first token read is tgt_in[:, 0]. Each later one is tgt_in[:, t] with probability `teacher_forcing_ratio`,
        else the model's own prediction, the argmax of the logits before. Ratio 1 is `decode_teacher_forced`, ratio 0
        reads nothing but the first column. All T places are computed, whatever is predicted.
        The coin is tossed for every row and every place anew. (One toss a place for all rows, or one a call, is found
        in the literature as well, and passes.) It comes from `generator`, and from nothing else where that is given.
        Source: Williams, Zipser 1989; the ratio: Bengio, Vinyals, Jaitly, Shazeer 2015.
        """
        raise NotImplementedError("write Seq2Seq.forward: see handout.md, '3.3 Seq2Seq'")


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    teacher_forcing_ratio: float = 1.0,
    generator: torch.Generator | None = None,
    max_norm: float | None = None,
) -> list[float]:
    """Train `model` on every batch once, in the given order; return the loss of each batch, before its step, as floats.

    The model may come in evaluation mode: train it in training mode. A batch is (src (B, S), lengths (B,), tgt (B, T)),
    a target being SOS y1 .. yn EOS PAD ... The loss is `masked_ce` of what the model predicts behind each token that it
    reads; ratio and generator are handed on to the model. With `max_norm`, the gradients of all parameters together are
    clipped to this norm before the step (torch.nn.utils.clip_grad_norm_ may do it); shorter ones stay as they are.
    """
    raise NotImplementedError("write fit: see handout.md, '3.4 fit'")


# ---------------------------------------------------------------------------------------------------------------------
# 4. Decoding
# ---------------------------------------------------------------------------------------------------------------------


def greedy(model: Seq2Seq, src: Tensor, lengths: Tensor, max_len: int) -> Tensor:
    """Translate src (B, S): return the ids (B, max_len), int64, that the model writes after SOS, without SOS.

    The next token is the argmax of the logits over all V ids. A row ends with its first EOS, which is part of the
    result; PAD follows it. A row that never writes EOS has max_len ids. (Fewer columns are right, too, where every row
    has ended by then, and so is EOS again and again in place of PAD.)
    """
    raise NotImplementedError("write greedy: see handout.md, '4.1 greedy'")


def beam_search(model: Seq2Seq, src: Tensor, max_len: int, k: int) -> tuple[list[int], float]:
    """Bonus (0 points): the best translation that a beam of width k finds for one source src (1, S), all of it real.

    Returns (ids, score): ids without SOS, with the EOS that ends them (none if max_len ids came first); score, the sum
    of the log-probabilities of these ids, EOS among them, not divided by any length. k = 1 is `greedy`; where k is at
    least V ** max_len, nothing is pruned and the best of all sequences comes back.
    Source: Sutskever, Vinyals, Le 2014, section 3.2.
    """
    raise NotImplementedError("write beam_search: see handout.md, '4.2 Bonus: beam_search'")


def bleu(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], max_n: int = 4) -> float:
    """Bonus (0 points): the BLEU score of a corpus, from 0 to 1; hypothesis i has the one reference i.

    BLEU = BP * exp(mean over n = 1 .. max_n of log p_n).
    p_n = (n-grams of the hypotheses that stand in their reference) / (n-grams of the hypotheses), both summed over the
    corpus; an n-gram counts at most as often as it stands in its own reference (clipped counts).
    BP = 1 if c > r, else exp(1 - r / c), c and r being the total lengths of hypotheses and references.
    0 where a p_n is 0 or there is no n-gram of that order.
    Source: Papineni, Roukos, Ward, Zhu 2002, section 2.
    """
    raise NotImplementedError("write bleu: see handout.md, '4.3 Bonus: bleu'")
