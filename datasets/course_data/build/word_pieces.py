"""Train a WordPiece vocabulary, the same each time: what the scripts beside this one share.

Needs the library tokenizers (Apache License 2.0), which nothing needs at run time.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer


def trained(texts: Sequence[str], special: Sequence[str], size: int) -> list[str]:
    """The pieces in the order of their ids: the special ones, single characters, then what was merged from them.

    `texts` hold words with a space between them.
    """
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = WhitespaceSplit()
    every = [word for text in texts for word in text.split()]
    letters = {letter for word in every for letter in word}
    inside = {f"##{letter}" for word in every for letter in word[1:]}
    # The trainer breaks ties by ids, and gives letters theirs in the order of a hash; told first, they are sorted.
    first = [*special, *sorted(letters), *sorted(inside)]
    trainer = WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)
