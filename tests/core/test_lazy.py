import subprocess
import sys

CODE = """
from privbench.core.lazy import defer, is_loaded
defer("torch")
import torch
assert not is_loaded("torch")
{use}
assert is_loaded("torch")
import torch as again
assert float(again.ones(2).sum()) == 2 and float(torch.ones(2).sum()) == 2
"""


def run(use: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE.format(use=use)], capture_output=True, text=True, check=False
    )


def test_an_attribute_loads_the_module():
    assert run("torch.zeros(1)").returncode == 0


def test_a_submodule_loads_the_module():
    assert run("import torch.nn.functional as F; F.relu(torch.ones(1))").returncode == 0


def test_a_from_import_loads_the_module():
    assert run("from torch import Tensor").returncode == 0


def test_a_stand_in_travels_to_other_processes():
    assert run("import pickle; assert pickle.loads(pickle.dumps(torch)).zeros(1) == 0").returncode == 0
