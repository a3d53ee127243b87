from privbench.report.text import code, escape, exact, flat, number


def test_numbers():
    assert [number(v) for v in (None, float("nan"), 0.12345, -0.0001, 12.345, 123.4)] == [
        "",
        "",
        "0.123",
        "0.000",
        "12.35",
        "123",
    ]
    assert [exact(v) for v in (1e-17, -1e-17, 0.5, 100.0)] == ["0", "0", "0.5", "100"]


def test_escapes():
    assert escape("a|b\n<i>_x_") == r"a\|b &lt;i&gt;\_x\_"
    assert code("a`b|c") == "`` a`b\\|c ``"


def test_no_control_character_is_on_a_page():
    for form in (flat, escape, code):
        assert "\x1b" not in form("a\x1b[2J\x9bb")
