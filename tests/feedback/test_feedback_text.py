"""Text of strangers is seen whole, and does nothing but be seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.feedback.text import clipped, joints, ticked, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, with\ttab\nand line", "plain, with\ttab\nand line"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\u202eabc\u202c", "\\u202eabc\\u202c"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("a\u200bb\ufeffc\u00a0d", "a\\u200bb\\ufeffc\\xa0d"),
        ("\r\x00\x7f\x9b", "\\r\\x00\\x7f\\x9b".replace("\\r", "\\x0d")),
        ("\U000e0041tag", "\\U000e0041tag"),
        ("박지우 Ünal ∂L/∂h 🙂", "박지우 Ünal ∂L/∂h 🙂"),
    ],
)
def test_what_hides_is_spelled_out(text: str, seen: str) -> None:
    """Controls, escapes, turns of direction, zero widths and odd blanks are shown as Python writes them."""
    assert visible(text) == seen


def test_towers_of_accents_are_taken_down() -> None:
    """A letter keeps a few accents; the rest is spelled out, so that nothing grows over other lines."""
    shown = visible("e" + "\u0301" * 50)
    assert shown.count("\u0301") == 4
    assert shown.count("\\u0301") == 46
    assert visible("é" * 100) == "é" * 100


@given(st.text(max_size=200))
def test_visible_text_is_visible(text: str) -> None:
    """Whatever comes in, what comes out is printable but for line ends and tabs, and stays as it is."""
    shown = visible(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert visible(shown) == shown


def test_long_text_is_cut_and_says_so() -> None:
    """A megabyte becomes what fits, with how long it was; spelled-out text is no way around."""
    assert clipped("x" * 10, 10) == "x" * 10
    assert clipped("x" * 1_000_000, 10) == "x" * 10 + "… (cut: 1,000,000 characters)"
    assert len(clipped("\U000e0041" * 1_000_000, 100)) < 300


def test_code_stands_between_backticks() -> None:
    """Titles and hints come in pieces of words and code; a lone backtick is a character."""
    assert ticked("`RNN` runs `cell`.") == ((True, "RNN"), (False, " runs "), (True, "cell"), (False, "."))
    assert ticked("a ` b") == ((False, "a ` b"),)


def test_a_name_breaks_at_its_joints() -> None:
    """Behind underscores and dots and before capitals, never within a word; the pieces are the whole name."""
    name = "2.1 AttnDecoder.step, masked_softmax"
    assert joints(name) == ("2.1 Attn", "Decoder.", "step, masked_", "softmax")
    assert "".join(joints(name)) == name
    assert joints("LSTM") == ("LSTM",)
