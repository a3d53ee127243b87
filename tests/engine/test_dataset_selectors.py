"""From what a person writes after --dataset to the data: paths with anything in them, and hints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.core.errors import UserError
from privbench.core.paths import split_path
from privbench.core.selector import parse_selector
from privbench.engine.selection import dataset_source

PATHS = st.text(st.sampled_from("ab /.[]=,~ü:%-_"), min_size=1, max_size=24).filter(lambda t: t.strip() == t)


@settings(max_examples=300, deadline=None)
@given(PATHS)
def test_a_path_dataset_s_selector_reads_back_as_itself(path):
    for options in ({}, {"size": 32, "grey": True}):
        made = _made(path, options)
        if made is not None:
            assert dataset_source(made.selector) == made


def _made(path, options):
    """The source for a path, where the command line can say it."""
    try:
        found = split_path(path)
    except UserError:
        return None
    from privbench.data.datasets.imagefolder import ImageFolder

    # Ends like parameters: only a folder that is there can be meant by it.
    return None if found.params else ImageFolder(path=path, **options)


@pytest.mark.parametrize(
    ("text", "path", "params"),
    [
        ("photos[v2]", "photos[v2]", {}),
        ("photos[v2][size=32]", "photos[v2]", {"size": "32"}),
        ("a[b]/c", "a[b]/c", {}),
        ("x.npz[size=32, grey=true]", "x.npz", {"size": "32", "grey": "true"}),
        ("[v2]", "[v2]", {}),
        ("my photos", "my photos", {}),
    ],
)
def test_brackets_are_parameters_only_where_they_read_as_such(text, path, params):
    found = split_path(text)
    assert (found.name, found.params) == (path, params)


def test_a_folder_that_ends_like_parameters_is_found_where_it_is_there(tmp_path):
    (tmp_path / "p[size=9]").mkdir()
    assert split_path(f"{tmp_path}/p[size=9]").params == {}
    assert split_path(f"{tmp_path}/p[size=9][size=8]").params == {"size": "8"}
    assert split_path(f"{tmp_path}/q[size=9]").params == {"size": "9"}


def test_a_plugin_s_path_may_hold_brackets():
    found = parse_selector("./my code[v2]/mine.py:Attack[a=1]")
    assert (found.name, found.params) == ("./my code[v2]/mine.py:Attack", {"a": "1"})
    assert parse_selector("./x[y]/mine.py:Attack").params == {}


@pytest.mark.parametrize("options", ["", "[size=32]"])
def test_a_path_alone_is_answered_with_what_reads_it(tmp_path, options):
    (tmp_path / "my photos").mkdir()
    np.savez(tmp_path / "mine.npz", images=np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(UserError, match=r"--dataset 'imagefolder:.*/my photos") as caught:
        dataset_source(f"{tmp_path}/my photos{options}")
    assert str(caught.value).endswith(f"{options}'.")
    with pytest.raises(UserError, match=r"--dataset .?npz:.*/mine\.npz"):
        dataset_source(f"{tmp_path}/mine.npz{options}")
    with pytest.raises(UserError, match=r"--dataset npz:/nowhere/mine\.npz"):
        dataset_source("/nowhere/mine.npz")


def test_a_dataset_s_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist-5k").mkdir()
    assert dataset_source("mnist-5k").selector == "mnist-5k"


@pytest.mark.parametrize(
    "text", ["~nosuch", "imagefolder:~nosuch/x", "npz:~nosuch/x.npz", "npz:~nosuch/x[size=9]"]
)
def test_a_home_that_nobody_has_is_a_refusal(text):
    with pytest.raises(UserError, match=r"no home folder of '~nosuch'.*write \./~nosuch"):
        dataset_source(text).content_hash()


@pytest.mark.parametrize("text", ["imagefolder:a\0b", "npz:" + "x" * 5000, "x" * 5000, "imagefolder:", ""])
def test_texts_that_can_be_no_path_are_refusals(text):
    with pytest.raises((UserError, OSError)):
        dataset_source(text).content_hash()


def test_an_unknown_reader_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="imagefolder"):
        dataset_source("imagefoldr:photos")
