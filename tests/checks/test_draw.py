from __future__ import annotations

import hashlib
import hmac

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks.draw import HOME_SECRET, MOST_KEPT, Draw, MadeOnce, derive_key

SECRET = b"a secret of thirty-two bytes ...."


def stream(dtype: torch.dtype = torch.float64, *purpose: str) -> Draw:
    """A stream of this test's secret."""
    return Draw(derive_key(SECRET, *purpose), dtype)


def test_a_key_is_the_start_of_an_hmac() -> None:
    """A key is the first 128 bits of HMAC-SHA256 over the length-prefixed purpose."""
    message = (2).to_bytes(8, "big") + b"a1" + (4).to_bytes(8, "big") + b"cell"
    assert derive_key(SECRET, "a1", "cell") == hmac.new(SECRET, message, hashlib.sha256).digest()[:16]


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_purposes_have_different_keys(one: list[str], two: list[str]) -> None:
    """Words cannot be moved across the border between two parts of a purpose."""
    assert (derive_key(SECRET, *one) == derive_key(SECRET, *two)) == (one == two)


def test_purposes_that_join_to_the_same_text_differ() -> None:
    """("ab", "c") and ("a", "bc") are two purposes, and every secret has its own keys."""
    assert derive_key(SECRET, "ab", "c") != derive_key(SECRET, "a", "bc")
    assert derive_key(SECRET, "ab") != derive_key(HOME_SECRET, "ab")


def test_the_same_key_gives_the_same_stream() -> None:
    """A check that is run again sees the same numbers, and each call new ones."""
    one, two = stream(), stream()
    first = one(3, 5)
    assert torch.equal(first, two(3, 5))
    assert not torch.equal(first, one(3, 5))


def test_both_precisions_see_the_same_numbers() -> None:
    """The repeat in float32 draws the rounded numbers of the run in float64."""
    double, single = stream(torch.float64), stream(torch.float32)
    for draw_double, draw_single in ((double, single), (double.uniform, single.uniform)):
        wide, narrow = draw_double(4, 7), draw_single(4, 7)
        assert (wide.dtype, narrow.dtype) == (torch.float64, torch.float32)
        assert torch.equal(wide.to(torch.float32), narrow)
    assert torch.equal(double.ints(9, high=100), single.ints(9, high=100))


def test_all_128_bits_of_the_key_matter() -> None:
    """Changing any byte of the key changes the numbers; a torch Generator would ignore most of them."""
    key = derive_key(SECRET)
    seen = {stream()(1).item()}
    for position in range(len(key)):
        other = bytes(byte ^ (position == i) for i, byte in enumerate(key))
        seen.add(Draw(other, torch.float64)(1).item())
    assert len(seen) == len(key) + 1


def test_normal_and_uniform_numbers_have_their_law() -> None:
    """Mean and spread are those of the distribution; with this fixed key the bounds are 5 standard errors wide."""
    normal, uniform = stream()(10_000), stream().uniform(10_000, low=-2.0, high=4.0)
    assert abs(normal.mean().item()) < 0.05
    assert abs(normal.std().item() - 1) < 0.036
    assert abs(uniform.mean().item() - 1) < 0.087
    assert uniform.min() >= -2
    assert uniform.max() <= 4


def test_ints_stay_below_high() -> None:
    """Whole numbers are int64, from low to high - 1, and every one of them occurs."""
    numbers = stream().ints(500, low=2, high=6)
    assert numbers.dtype == torch.int64
    assert set(numbers.tolist()) == {2, 3, 4, 5}


@given(n=st.integers(1, 6), low=st.integers(1, 3), extra=st.integers(0, 4))
def test_lengths_hold_both_extremes(n: int, low: int, extra: int) -> None:
    """Every batch of lengths has a full row and, with two or more rows, one of the smallest length."""
    lengths = stream().lengths(n, low=low, high=low + extra).tolist()
    assert len(lengths) == n
    assert max(lengths) == low + extra
    assert n == 1 or min(lengths) == low


def test_the_full_row_is_not_always_the_first() -> None:
    """Lengths come in random order."""
    draw = stream()
    assert len({tuple(draw.lengths(4, low=1, high=6).tolist()).index(6) for _ in range(30)}) > 1


def test_a_permutation_holds_every_index_once() -> None:
    """A permutation is a reordering of range(n)."""
    assert sorted(stream().permutation(11).tolist()) == list(range(11))


def test_generators_are_seeded_from_the_stream() -> None:
    """Equal streams give generators with equal seeds, one stream gives different ones."""
    one, two = stream(), stream()
    first = one.generator()
    assert first.initial_seed() == two.generator().initial_seed()
    assert first.initial_seed() != one.generator().initial_seed()


def test_a_purpose_does_not_depend_on_what_was_drawn_before() -> None:
    """Held-out data stay the same when a check draws more training data."""
    one, two = stream(), stream()
    two(100)
    held_out = one.for_purpose("held-out")
    assert torch.equal(held_out(5), two.for_purpose("held-out")(5))
    assert not torch.equal(one.for_purpose("held-out")(5), one.for_purpose("train")(5))
    assert (held_out.dtype, held_out.device) == (one.dtype, one.device)


def test_what_is_made_once_is_the_same_object_for_the_next_submission() -> None:
    """A training's batches are drawn for the first submission of a class; they come from a stream of their own."""
    memory, made = MadeOnce(), []

    def batches(draw: Draw) -> Tensor:
        made.append(draw)
        return draw(3)

    first = Draw(derive_key(SECRET), torch.float64, made_once=memory).once("batches", batches)
    later = Draw(derive_key(SECRET), torch.float64, made_once=memory)
    later(7)
    assert later.once("batches", batches) is first
    assert torch.equal(first, stream().for_purpose("batches")(3))
    assert len(made) == 1


def test_what_is_made_once_differs_by_name_key_and_precision() -> None:
    """Nobody is given the numbers of another check, case or precision."""
    memory = MadeOnce()
    one = Draw(derive_key(SECRET), torch.float64, made_once=memory)
    other = Draw(derive_key(SECRET, "another case"), torch.float64, made_once=memory)
    single = Draw(one.key, torch.float32, made_once=memory)
    values = [draw.once(name, lambda draw: draw(5)) for draw in (one, other, single) for name in ("a", "b")]
    assert len({tuple(value.tolist()) for value in values}) == 6
    assert [value.dtype for value in values] == [torch.float64] * 4 + [torch.float32] * 2


def test_only_the_latest_things_are_kept() -> None:
    """A process that judges class after class does not grow."""
    draw = Draw(derive_key(SECRET), torch.float64)
    first = draw.once("0", lambda draw: draw(1))
    for number in range(1, MOST_KEPT + 1):
        draw.once(str(number), lambda draw: draw(1))
    again = draw.once("0", lambda draw: draw(1))
    assert again is not first
    assert torch.equal(again, first)


def test_the_key_is_not_printed() -> None:
    """A traceback that shows a stream does not show its key."""
    key = derive_key(SECRET)
    assert str(key) not in repr(stream())
    assert key.hex() not in repr(stream())


def test_a_key_of_another_length_is_refused() -> None:
    """A secret that was not derived is no key."""
    with pytest.raises(ValueError, match="16 bytes, got 3"):
        Draw(b"abc", torch.float64)
