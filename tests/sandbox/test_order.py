"""What the judge tells a child before it serves: the same on both sides of the channel."""

from __future__ import annotations

from autograder.sandbox.order import EarlierModule, Order


def test_an_order_arrives_as_it_was_sent() -> None:
    """Files, code of null bytes and texts of any script come out as they went in."""
    sent = Order(
        files={"rnn.py": "x = '한국어'\r\n", "empty.py": "", "other.py": "y = 1"},
        module="rnn",
        dtype="float64",
        seed=2**60,
        bans=("recurrent", "softmax"),
        stand_ins=("rnn_cell",),
        importable=("torch", "numpy"),
        code=b"\0\xff code",
        earlier=(EarlierModule("attention", written=True, stand_ins=("attend",)),),
    )
    assert Order.read(sent.frame()) == sent


def test_an_order_without_code_asks_for_compiling() -> None:
    """No code is empty bytes, also after a file that is not empty."""
    sent = Order({"rnn.py": "x = 1\n"}, "rnn", "float32", 0, (), (), ())
    assert Order.read(sent.frame()).code == b""
