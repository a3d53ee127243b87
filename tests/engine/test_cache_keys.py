"""What a step's cache key holds: a change of anything that its result depends on must change it."""

import pytest

from privbench.core import registry
from privbench.runner import provenance
from privbench.runner import stage as stage_module
from privbench.runner.stage import Stage
from privbench.store.cache import Cache


class Asked(Exception):
    """Holds the path that a step asked its cache for."""


class AskingCache(Cache):
    def load_model(self, path):
        raise Asked(path)


def asked(stage, step) -> str:
    asking = Stage(stage.setting, AskingCache(stage.cache.folder, print), stage.progress)
    with pytest.raises(Asked) as found:
        step(asking)
    return str(found.value)


def judge(stage):
    return stage.judge()


def target(stage):
    return stage.fit(registry.create("defense", "vim[variant=online]"))


@pytest.mark.parametrize(
    ("step", "file"),
    [
        (judge, "runner/stage.py"),
        (target, "runner/stage.py"),
        (target, "runner/deploy.py"),
        (target, "metrics"),
    ],
)
def test_a_change_of_code_is_another_key(stage, monkeypatch, step, file):
    before = asked(stage, step)
    real = stage_module.layer_hash
    monkeypatch.setattr(
        stage_module, "layer_hash", lambda *layers: real(*layers) + ("changed" if file in layers else "")
    )
    assert asked(stage, step) != before


def test_a_method_from_elsewhere_is_hashed_with_what_it_may_derive_from(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text(
        "from privbench.attacks.lira import Lira\nfrom privbench.core.registry import register\n"
        "@register('my-lira')\nclass MyLira(Lira):\n    pass\n"
    )
    mine, lira = registry.create("attack", f"{file}:MyLira"), registry.create("attack", "lira")
    before = provenance.method_hash(mine), provenance.method_hash(lira)
    asked = []
    monkeypatch.setattr(provenance, "layer_hash", lambda *layers: asked.append(layers) or "changed")
    assert provenance.method_hash(mine) != before[0]
    assert provenance.method_hash(lira) == before[1]
    assert asked == [("attacks",)]
