from __future__ import annotations

import textwrap

import pytest

from autograder.errors import ReleaseError
from autograder.release.handout import section
from autograder.release.stubs import make_stub, refuse_markers, regions


def stub_of(text: str, heading: str = "") -> str:
    """The stub of rnn.py with the given text."""
    return make_stub("rnn.py", textwrap.dedent(text), lambda _: heading)


def refused(text: str) -> str:
    """The message of the refusal to make a stub."""
    with pytest.raises(ReleaseError) as caught:
        stub_of(text)
    return str(caught.value)


def test_region_in_function_becomes_a_raise_that_names_function_and_section() -> None:
    """A region in a function leaves the docstring and the given lines, and raises at its own depth."""
    stub = stub_of(
        '''
        def cell(x: int) -> int:
            """Return the next state."""
            given = x + 1
            ### BEGIN SOLUTION
            answer = given * 2
            return answer
            ### END SOLUTION
        ''',
        "1. One step",
    )
    assert stub == textwrap.dedent(
        '''
        def cell(x: int) -> int:
            """Return the next state."""
            given = x + 1
            raise NotImplementedError("write cell: see handout.md, '1. One step'")
        '''
    )


def test_methods_and_nested_functions_are_named_in_full() -> None:
    """The message names the innermost function with everything around it."""
    stub = stub_of(
        """
        class RNN:
            def forward(self):
                ### BEGIN SOLUTION
                return 1
                ### END SOLUTION

            def run(self):
                def inner():
                    ### BEGIN SOLUTION
                    return 2
                    ### END SOLUTION
                return inner
        """
    )
    assert '        raise NotImplementedError("write RNN.forward: see handout.md")\n' in stub
    assert (
        '            raise NotImplementedError("write RNN.run.inner: see handout.md")\n        return inner\n' in stub
    )


def test_several_regions_of_one_function_are_counted() -> None:
    """Each gap of one function says which of how many it is, and given lines between them stay."""
    stub = stub_of(
        """
        def fit(a):
            ### BEGIN SOLUTION
            b = a
            ### END SOLUTION
            for step in range(3):
                ### BEGIN SOLUTION
                a += step
                ### END SOLUTION
            return a
        """
    )
    assert '    raise NotImplementedError("write fit, gap 1 of 2: see handout.md")\n    for step in range(3):\n' in stub
    assert '        raise NotImplementedError("write fit, gap 2 of 2: see handout.md")\n    return a\n' in stub


def test_region_with_a_nested_function_belongs_to_the_function_around_it() -> None:
    """A helper that the solution defines inside the region goes with it."""
    stub = stub_of(
        """
        def outer():
            ### BEGIN SOLUTION
            def helper():
                return 1
            return helper()
            ### END SOLUTION
        """
    )
    assert "helper" not in stub
    assert "write outer:" in stub


def test_regions_outside_functions_vanish() -> None:
    """An import, a private helper and a private method that only the solution needs leave no trace and no gap."""
    stub = stub_of(
        """
        import torch
        ### BEGIN SOLUTION
        import math
        ### END SOLUTION


        ### BEGIN SOLUTION
        @property
        def _helper():
            return math.pi


        ### END SOLUTION
        class Cell:
            size = 1

            ### BEGIN SOLUTION
            def _secret(self):
                return 1

            ### END SOLUTION
            def forward(self):
                return 2
        """
    )
    assert stub == textwrap.dedent(
        """
        import torch


        class Cell:
            size = 1

            def forward(self):
                return 2
        """
    )


def test_long_message_is_wrapped() -> None:
    """A raise line longer than 120 characters is written over three lines."""
    stub = stub_of("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n", "x" * 90)
    assert "    raise NotImplementedError(\n        \"write f: see handout.md, '" in stub


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "rnn.py: has no `### BEGIN SOLUTION`"),
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\n", "rnn.py:2: `### BEGIN SOLUTION` without an"),
        ("def f():\n    return 1\n    ### END SOLUTION\n", "rnn.py:3: `### END SOLUTION` without a"),
        ("### BEGIN SOLUTION\nx = 1\n### BEGIN SOLUTION\n### END SOLUTION\n", "rnn.py:3: `### BEGIN SOLUTION` inside"),
        ("# BEGIN SOLUTION\nx = 1\n", "rnn.py:1: `# BEGIN SOLUTION` looks like a marker"),
        ("### begin solution\nx = 1\n", "rnn.py:1: `### begin solution` looks like a marker"),
        ("x = 1  ### BEGIN SOLUTION\n", "rnn.py:1: `x = 1  ### BEGIN SOLUTION` looks like a marker"),
        ("###BEGIN_SOLUTION\nx = 1\n", "rnn.py:1:"),
        ('"""\n### BEGIN SOLUTION\n"""\n', "rnn.py:2: `### BEGIN SOLUTION` looks like a marker"),
        ("x = = 1\n", "rnn.py:1: is not valid Python"),
        ("x = '\0'\n", "rnn.py:1: is not valid Python"),
    ],
)
def test_markers_that_cannot_be_meant_are_refused_with_their_line(text: str, said: str) -> None:
    """Unbalanced, nested, misspelt, trailing or quoted markers, and none at all, are errors with file and line."""
    assert said in refused(text)


def test_region_without_code_is_refused() -> None:
    """A region that holds only a comment is somebody's slip."""
    text = "def f():\n    ### BEGIN SOLUTION\n    # later\n    ### END SOLUTION\n    return 1\n"
    assert "rnn.py:2: the region holds no statement" in refused(text)


def test_marker_at_another_depth_is_refused() -> None:
    """A marker to the left of its code would put the raise outside the function."""
    text = "def f():\n### BEGIN SOLUTION\n    return 1\n### END SOLUTION\n"
    assert "rnn.py:2: the marker is not indented" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "x = [\n    ### BEGIN SOLUTION\n    1,\n    ### END SOLUTION\n]\n",
        "def f():\n    ### BEGIN SOLUTION\n    try:\n        x = 1\n    ### END SOLUTION\n    finally:\n        pass\n",
        "class A:\n    ### BEGIN SOLUTION\n    def _f(self):\n        return 1\n    ### END SOLUTION\n",
    ],
)
def test_region_that_would_leave_broken_python_is_refused(text: str) -> None:
    """A region that cuts a statement in two, or empties a class, is refused."""
    assert any(said in refused(text) for said in ("(of the stub)", "holds no statement"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("### BEGIN SOLUTION\ndef helper():\n    return 1\n\n\n### END SOLUTION\nx = 1\n", "helper"),
        ("### BEGIN SOLUTION\nPAD = 0\n### END SOLUTION\n", "PAD"),
        (
            "class A:\n    x = 1\n    ### BEGIN SOLUTION\n    def run(self):\n        return 1\n    ### END SOLUTION\n",
            "A.run",
        ),
        ("### BEGIN SOLUTION\nclass _A:\n    pass\n\n\nclass B:\n    pass\n### END SOLUTION\n", "B"),
    ],
)
def test_stub_without_a_public_name_is_refused(text: str, name: str) -> None:
    """Students need every public name, so a region must not swallow one."""
    assert f"the stub would lack `{name}`" in refused(text)


def test_stub_with_another_signature_is_refused() -> None:
    """The last definition counts: where a region hides it, another signature would be left."""
    text = "def f(a):\n    return a\n\n\n### BEGIN SOLUTION\ndef f(a, b):\n    return b\n### END SOLUTION\n"
    assert "rnn.py:6: `f` would have another signature" in refused(text)


def test_stub_without_a_docstring_is_refused() -> None:
    """A docstring inside the region would be lost."""
    text = 'def f():\n    ### BEGIN SOLUTION\n    """Help."""\n    return 1\n    ### END SOLUTION\n'
    assert "rnn.py:1: `f` would have another signature or docstring" in refused(text)


def test_regions_are_lines_of_markers() -> None:
    """`regions` returns the lines of the two markers."""
    (region,) = regions("f.py", "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n")
    assert (region.begin, region.end) == (2, 4)


def test_file_released_whole_may_not_speak_of_markers() -> None:
    """A marker in a file that is released as it is means that somebody expected a gap."""
    with pytest.raises(ReleaseError, match=r"plot\.py:2: .* released as it is"):
        refuse_markers("plot.py", "x = 1\n# BEGIN SOLUTION\n")
    refuse_markers("plot.py", "x = 1\n")


HANDOUT = """# Title with rnn_cell

Overview: `rnn_cell`, `RNN`.

## 1. One step

Write `rnn_cell`. The function `rnn_cell` ...

```python
## rnn_cell rnn_cell rnn_cell
```

## 2. The `RNN` and $T$ steps

Calls `rnn_cell` once.

### `last_valid`

## 3. Loss

`RNN.loss` is a method. `my_rnn_cell_backward`, `RNN`, `RNN`.
"""


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("rnn_cell", "1. One step"),
        ("RNN", "2. The RNN and T steps"),
        ("RNN.forward", "2. The RNN and T steps"),
        ("RNN.loss", "3. Loss"),
        ("last_valid", "last_valid"),
        ("rnn_cell_backward", ""),
    ],
)
def test_section_is_where_the_handout_speaks_of_a_function(name: str, heading: str) -> None:
    """A heading with the name wins, then the most mentions; methods fall back on their class; code is not a heading."""
    assert section(HANDOUT, name) == heading
