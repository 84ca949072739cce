"""Style: after the libraries. Probability matrices and Bernoulli draws, additive thoughts, outputs as named tuples."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn as nn
from torch.nn import CrossEntropyLoss

from transformer import EncoderLayer as BertLayer

PAD, UNK, CLS, SEP, MASK = 0, 1, 2, 3, 4
FIRST_WORD, IGNORE = 5, -100
SPECIAL_IDS = [PAD, UNK, CLS, SEP, MASK]


class BertModelOutput(NamedTuple):
    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor


class BertForPreTrainingOutput(NamedTuple):
    prediction_logits: torch.Tensor
    seq_relationship_logits: torch.Tensor


def wordpiece(word, vocab):
    chars = list(word)
    is_bad, start, sub_tokens = False, 0, []
    while start < len(chars):
        end, cur_substr = len(chars), None
        while start < end:
            substr = "".join(chars[start:end])
            if start > 0:
                substr = "##" + substr
            if substr in vocab:
                cur_substr = substr
                break
            end -= 1
        if cur_substr is None:
            is_bad = True
            break
        sub_tokens.append(cur_substr)
        start = end
    return [vocab["[UNK]"]] if is_bad else [vocab[token] for token in sub_tokens]


def _truncate_seq_pair(tokens_a, tokens_b, max_num_tokens):
    while len(tokens_a) + len(tokens_b) > max_num_tokens:
        trunc_tokens = tokens_a if len(tokens_a) > len(tokens_b) else tokens_b
        del trunc_tokens[-1]


def build_pair(a, b, max_len):
    tokens_a, tokens_b = a[:], ([] if b is None else b[:])
    if b is None:
        tokens_a = tokens_a[: max_len - 2]
    else:
        _truncate_seq_pair(tokens_a, tokens_b, max_len - 3)
    input_ids = [CLS, *tokens_a, SEP]
    token_type_ids = [0] * len(input_ids)
    if b is not None:
        input_ids += tokens_b + [SEP]
        token_type_ids += [1] * (len(tokens_b) + 1)
    out = torch.full((max_len,), PAD)
    out[: len(input_ids)] = torch.as_tensor(input_ids)
    types = torch.zeros_like(out)
    types[: len(token_type_ids)] = torch.as_tensor(token_type_ids)
    return out, types, torch.arange(max_len).lt(len(input_ids))


def apply_masks(ids, chosen, fate, words):
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = IGNORE
    indices_replaced = chosen & (fate < 0.8)
    inputs[indices_replaced] = MASK
    indices_random = chosen & ~indices_replaced & (fate < 0.9)
    inputs[indices_random] = words[indices_random]
    return inputs, labels


def mask_tokens(ids, vocab, generator, p=0.15):
    inputs, labels = ids.clone(), ids.clone()
    probability_matrix = torch.full(labels.shape, float(p))
    special_tokens_mask = torch.isin(labels, torch.tensor(SPECIAL_IDS))
    probability_matrix.masked_fill_(special_tokens_mask, value=0.0)
    masked_indices = torch.bernoulli(probability_matrix, generator=generator).bool()
    labels[~masked_indices] = IGNORE
    replaced = torch.bernoulli(torch.full(labels.shape, 0.8), generator=generator).bool() & masked_indices
    inputs[replaced] = MASK
    random = torch.bernoulli(torch.full(labels.shape, 0.5), generator=generator).bool() & masked_indices & ~replaced
    random_words = torch.randint(FIRST_WORD, vocab, labels.shape, dtype=torch.long, generator=generator)
    inputs[random] = random_words[random]
    return inputs, labels


def next_sentence_pairs(documents, generator):
    if len(documents) <= 1:
        raise ValueError("NSP needs a second document")
    everything = [(d, s) for d, document in enumerate(documents) for s in range(len(document))]
    instances = []
    for d, document in enumerate(documents):
        choices = [documents[i][j] for i, j in everything if i != d]
        for s in range(1, len(document)):
            is_random_next = bool(torch.rand((), generator=generator) < 0.5)
            if is_random_next:
                b = choices[torch.randint(len(choices), (), generator=generator)]
            else:
                b = document[s]
            instances.append((document[s - 1], b, int(is_random_next)))
    return instances


def gelu(x):
    return x * 0.5 * (1.0 + torch.erf(x / torch.sqrt(torch.tensor(2.0, dtype=x.dtype))))


class BertEmbeddings(nn.Module):
    def __init__(self, vocab, d_model, max_len=64, dropout=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, d_model, padding_idx=0)
        self.position_embeddings = nn.Embedding(max_len, d_model)
        self.segment_embeddings = nn.Embedding(2, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("position_ids", torch.arange(max_len).expand((1, -1)))

    def forward(self, ids, segments):
        position_ids = self.position_ids[:, : ids.size(1)]
        embeddings = self.word_embeddings(ids) + self.segment_embeddings(segments)
        embeddings += self.position_embeddings(position_ids)
        return self.dropout(self.norm(embeddings))


class Bert(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.embeddings = BertEmbeddings(vocab, d_model, max_len, dropout)
        self.layers = nn.ModuleList(
            [BertLayer(d_model, heads, d_ff, dropout=dropout, norm_first=False, activation="gelu", eps=1e-12)
             for _ in range(num_layers)]
        )  # fmt: skip
        self.pooler = nn.Linear(d_model, d_model)
        self.activation = nn.Tanh()

    def get_extended_attention_mask(self, mask):
        return mask[:, None, None, :].expand(-1, -1, mask.shape[1], -1)

    def forward(self, ids, segments, mask):
        hidden_states = self.embeddings(ids=ids, segments=segments)
        extended = self.get_extended_attention_mask(mask)
        for layer_module in self.layers:
            hidden_states = layer_module(hidden_states, mask=extended)
        first_token_tensor = hidden_states[:, 0]
        return BertModelOutput(hidden_states, self.activation(self.pooler(first_token_tensor)))


def init_weights(model, generator):
    def _init_weights(module):
        for name, parameter in module.named_parameters(recurse=False):
            if name == "bias":
                parameter.data.zero_()
            elif parameter.dim() == 1:
                parameter.data.fill_(1.0)
            else:
                parameter.data.normal_(mean=0.0, std=0.02, generator=generator)

    model.apply(_init_weights)


class MLMHead(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, hidden, table):
        hidden_states = self.transform(hidden)
        hidden_states = gelu(hidden_states)
        hidden_states = self.norm(hidden_states)
        return hidden_states @ table.T + self.bias


def pretrain_loss(mlm_logits, nsp_logits, labels, next_labels):
    loss_fct = CrossEntropyLoss()  # -100 is the id that it ignores
    masked_lm_loss = loss_fct(mlm_logits.view(-1, mlm_logits.size(-1)), labels.view(-1))
    if not (labels != IGNORE).any():
        masked_lm_loss = torch.zeros_like(masked_lm_loss) + 0.0 * mlm_logits.sum()
    next_sentence_loss = loss_fct(nsp_logits.view(-1, 2), next_labels.view(-1))
    return masked_lm_loss + next_sentence_loss


class BertForPreTraining(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len=max_len, dropout=dropout)
        self.mlm = MLMHead(d_model, vocab)
        self.nsp = nn.Linear(d_model, 2)

    def get_input_embeddings(self):
        return self.bert.embeddings.word_embeddings

    def forward(self, ids, segments, mask):
        sequence_output, pooled_output = self.bert(ids, segments, mask)
        prediction_scores = self.mlm(sequence_output, self.get_input_embeddings().weight)
        return BertForPreTrainingOutput(prediction_scores, self.nsp(pooled_output))

    def loss(self, ids, segments, mask, labels, next_labels):
        out = self(ids, segments, mask)
        return pretrain_loss(out.prediction_logits, out.seq_relationship_logits, labels, next_labels)


@torch.no_grad()
def fill_masks(model, ids, segments, mask):
    model.eval()
    logits = model(ids, segments, mask)[0].clone()
    logits[..., SPECIAL_IDS] = torch.finfo(logits.dtype).min
    filled = ids.clone()
    filled[ids == MASK] = logits[ids == MASK].argmax(-1)
    return filled


class BertForClassification(nn.Module):
    def __init__(self, classes, vocab, d_model, heads, d_ff, num_layers, max_len=64, dropout=0.0):
        super().__init__()
        self.num_labels = classes
        self.bert = Bert(vocab, d_model, heads, d_ff, num_layers, max_len=max_len, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(d_model, classes)

    def forward(self, ids, segments, mask):
        return self.classifier(self.dropout(self.bert(ids, segments, mask).pooler_output))

    def loss(self, ids, segments, mask, classes):
        return CrossEntropyLoss()(self(ids, segments, mask).view(-1, self.num_labels), classes.view(-1))


def load_pretrained(model, pretrained):
    missing, _ = model.load_state_dict(pretrained, strict=False)
    forgotten = [key for key in missing if not key.startswith("classifier") and not key.endswith("position_ids")]
    if forgotten:
        raise RuntimeError(f"Some weights of the encoder were not in the checkpoint: {forgotten}")


def linear_rate(step, total, warmup, peak):
    if step < warmup:
        return peak * step / max(1, warmup)
    return peak * max(0.0, (total + 1 - step) / max(1, total + 1 - warmup))


def fit(model, batches, optimizer, rates=None):
    history = []
    for step, batch in enumerate(batches):
        model.train()
        loss = model.loss(*batch)
        model.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimizer.param_groups if rates is not None else ():
            group["lr"] = float(rates[step])
        optimizer.step()
        history.append(loss.detach().cpu().numpy().item())
    return history
