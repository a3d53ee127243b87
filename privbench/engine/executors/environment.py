"""What a process that runs attacks is given of the engine's surroundings: what imports and numbers need.

Everything else stays behind: the folder a run was started in, its options, its keys and tokens.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

_NAMES = """PATH HOME USER LOGNAME LANG LANGUAGE LC_.* TZ TMPDIR
OMP_.* GOMP_.* KMP_.* MKL_.* OPENBLAS_.* BLIS_.* GOTO_.* VECLIB_.* NUMEXPR_.* ONEDNN_.* DNNL_.* ATEN_.*
CUDA_.* CUBLAS_.* CUDNN_.* NVIDIA_.* TORCH_HOME TORCH_ALLOW_TF32_CUBLAS_OVERRIDE PYTORCH_.*
LD_LIBRARY_PATH LD_PRELOAD DYLD_.* MALLOC_.*
PYTHONHOME PYTHONHASHSEED PYTHONUTF8 PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONMALLOC
PYTHONWARNINGS"""
_KEPT = re.compile("|".join(_NAMES.split()))


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that programs, imports and numerics need.

    ``PYTHONHASHSEED`` is 0 unless it is set, so that a guess that walks a set of strings is
    reproducible.
    """
    kept = {name: value for name, value in environment.items() if _KEPT.fullmatch(name)}
    if sys.platform == "darwin":
        # Without it, macOS may end a forked process that touches its frameworks.
        kept["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    return {"PYTHONHASHSEED": "0", **kept}


def package_home() -> str:
    """The folder that the package privbench is imported from."""
    spec = find_spec("privbench")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parents[1])


def import_path() -> list[str]:
    """This process's import path, absolute, without the current folder.

    A run's results lie in the current folder as a rule, so it is left out unless privbench itself is
    imported from there (a checkout). A class from a file in the current folder must travel by value
    (cloudpickle) or have its folder named to ``ForkServer``.
    """
    home = package_home()
    here = Path.cwd()
    found = [_absolute(entry) for entry in sys.path]
    kept = [entry for entry in found if entry == home or entry != str(here)]
    return list(dict.fromkeys([*kept, home]))


def _absolute(entry: str) -> str:
    # What is no path is the name of a hook, such as an editable installation's.
    return str(Path(entry).absolute()) if Path(entry).exists() else entry
