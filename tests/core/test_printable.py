"""What reaches a terminal: no control sequences, nothing that cannot be encoded."""

import io
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from privbench.core.printable import is_printable, one_line, printable
from privbench.core.registry import register
from privbench.core.warned import heard, once
from privbench.report.terminal import Terminal

ANY = st.text(st.characters(exclude_categories=()), max_size=60)


@given(ANY)
def test_printable_text_encodes_and_holds_no_control_character(text):
    shown = printable(text)
    shown.encode()
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in shown)
    assert printable(shown) == shown
    assert is_printable(one_line(text, 40))
    assert len(one_line(text, 40)) <= 40


@given(ANY)
def test_no_sequence_of_what_is_printed_reaches_the_terminal(text):
    out = io.StringIO()
    console = Terminal(file=out, force_terminal=True, width=200, color_system=None)
    table = Table(text.replace("[", "("))
    table.add_row(Text(text))
    for each in (text, Text(text), table):
        console.print(each, markup=False)
    out.getvalue().encode()
    assert "\x9b" not in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_the_terminals_own_style_is_kept():
    out = io.StringIO()
    Terminal(file=out, force_terminal=True, color_system="standard", highlight=False).print(
        "[bold]yes[/bold] \x1b[31m"
    )
    assert out.getvalue() == "\x1b[1myes\x1b[0m \\x1b[31m\n"


@pytest.mark.parametrize("name", ["\x1b[31mred", "", " ", "a\nb", "a\u202eb", "\udc80"])
def test_a_method_has_a_name_that_can_be_shown(name):
    with pytest.raises(ValueError, match="printable"):
        register(name)


def test_warnings_are_kept_and_not_shown(recwarn):
    with heard() as first:
        for n in (1, 1, 2):
            warnings.warn(f"lbfgs failed after {n}\nmore", stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert first.texts()[:2] == ("UserWarning: lbfgs failed after 1", "UserWarning: lbfgs failed after 2")
    assert not recwarn.list
    assert len(once(str(n) for n in range(100))) == 10
    with pytest.raises(UserWarning), warnings.catch_warnings():  # noqa: PT012
        warnings.simplefilter("error")
        with heard():
            warnings.warn("x", stacklevel=1)
