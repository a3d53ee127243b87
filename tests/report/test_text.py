from privbench.report.text import code, escape, exact, number


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
