import re

from privbench.core.file_names import short, slug


def test_slugs_are_file_names_and_stay_apart():
    assert slug("mnist-5k") == "mnist-5k"
    texts = ["mnist-5k[label_noise=0.2]", "mnist-5k[label_noise=0/2]", "npz:/a/b.npz", "../../x", "A", "a"]
    assert len({slug(t) for t in texts}) == len(texts)
    assert all(re.fullmatch(r"[a-z0-9_-][a-z0-9._-]*", slug(t)) for t in texts)


def test_long_names_are_cut_and_told_apart():
    names = {short("a" * 300 + end) for end in ("b", "c")}
    assert len(names) == 2
    assert all(len(name) <= 200 for name in names)
    assert short("a" * 200) == "a" * 200
