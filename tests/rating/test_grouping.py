import pytest
import torch
from factory import controls, psnr_columns, result

from privbench.core.errors import DataError
from privbench.rating.board import make_boards
from privbench.rating.grouping import BoardKey


def test_two_results_for_one_cell_are_refused():
    again = result("none", "blind", psnr_columns(10), code="edited")
    with pytest.raises(DataError, match="two results for one cell"):
        make_boards([*controls(), again])


@pytest.mark.parametrize(
    "other", [{"columns": psnr_columns(10, count=61)}, {"split": "z"}, {"clusters": torch.arange(60)}]
)
def test_different_challenges_are_refused(other):
    columns = other.pop("columns", psnr_columns(10))
    with pytest.raises(DataError, match="different challenges"):
        make_boards([*controls(), result("x", "blind", columns, **other)])


def test_a_boards_file_name_tells_it_from_all_others():
    keys = [
        BoardKey("toy", "cnn", "small", 1),
        BoardKey("toy", "cnn", "small", 2),
        BoardKey("toy", "vgg", "small", 1),
    ]
    assert keys[0].file_name() == "toy-cnn-small-p1"
    assert keys[0].file_name("--") == "toy--cnn--small--p1"
    assert len({key.file_name() for key in keys}) == len(keys)
