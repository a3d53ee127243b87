"""The memory of an attack's process, searched from outside while the attack sits still, holds no truth.

Frames, closures, objects that nothing references any more, threads, arguments, environment and folders
all lie in that memory, so that one search covers them.
"""

import re
from pathlib import Path

import pytest
import torch

from privbench.core.registry import create
from privbench.engine import seeds
from privbench.engine.adversary import Adversary
from privbench.engine.cases import make_case
from privbench.engine.defender import Defender
from privbench.engine.executors.choose import executor
from privbench.engine.selection import dataset_source
from privbench.engine.setting import Setting
from privbench.store.cache import Cache

THIEF = """\
import gc, os, sys, threading, time
import torch
from privbench import Attack, create, register

@register("sitting-duck")
class SittingDuck(Attack):
    'Says where it runs, and waits to be searched.'
    games = frozenset({"membership", "linkage", "reconstruction", "attribute"})
    needs = frozenset({"NEEDS"})

    def guess(self, view, challenge):
        frame, depth = sys._getframe(), 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        named = [f for f in os.listdir(".")] + [a for a in sys.argv if a]
        view.log["frames"] = [depth]
        view.log["threads"] = [threading.active_count()]
        numbers = [int(fd) for fd in os.listdir("/proc/self/fd")]
        # The listing's own is gone by now.
        view.log["descriptors"] = [n for n in numbers if n > 3 and os.path.exists(f"/proc/self/fd/{n}")]
        view.log["named"] = [len(named)]
        view.log["tensors"] = [sum(isinstance(o, torch.Tensor) for o in gc.get_objects())]
        view.released if "NEEDS" == "images" else None
        view.progress(os.getpid(), 1, "search me")
        end = time.monotonic() + 60
        while not os.path.exists("searched") and time.monotonic() < end:
            time.sleep(0.05)
        return create("attack", "blind").guess(view, challenge)
"""


class Search:
    """Reads a process's memory when it says where it is."""

    def __init__(self, secrets: dict[str, bytes]) -> None:
        self.secrets = secrets
        self.found: set[str] = set()
        self.searched = 0

    def __call__(self, done: int, total: int, text: str) -> None:
        if text != "search me":
            return
        maps = Path(f"/proc/{done}/maps").read_text().splitlines()
        with Path(f"/proc/{done}/mem").open("rb", buffering=0) as memory:
            for line in maps:
                match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if match is None or "[vvar" in line:
                    continue
                start, end = int(match[1], 16), int(match[2], 16)
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except (OSError, ValueError):
                    continue
                self.searched += len(content)
                self.found |= {name for name, secret in self.secrets.items() if secret in content}
        Path(f"/proc/{done}/cwd/searched").touch()


@pytest.fixture(scope="module")
def server():
    with executor(timeout=60) as isolated:
        yield isolated


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("the-results-of-this-run-lie-here")


@pytest.fixture(scope="module")
def defender(out):
    setting = Setting(
        dataset_source("mnist-5k"), create("model", "cnn"), create("task", "classes"), 0, "smoke", "cpu"
    )
    return Defender(setting, Cache(out / "cache", pytest.fail), lambda *_: None)


def secrets_of(case, out: Path) -> dict[str, bytes]:
    """What must not be there: bytes long enough not to be there by chance."""
    setting_seed = 0
    members = case.parts.members
    shown = case.parts.private[case.shown]
    picture = shown.images[0].flatten()
    middle = picture[picture.nonzero()[:, 0].min() :][:60]
    numbers = {
        f"the seed of {name}": value.to_bytes(8, "little")
        for name, value in {
            **{
                name: getattr(seeds, name)(setting_seed)
                for name in ("target", "judge", "shown", "defender_key")
            },
            **case.parts.seeds,
        }.items()
    }
    return {
        "the members": members[:64].numpy().tobytes(),
        "the members' positions": members.nonzero()[:40, 0].numpy().tobytes(),
        "the order of the release": case.order[:16].numpy().tobytes(),
        "an original": middle.numpy().tobytes(),
        "the attributes": shown.labels[:24].numpy().tobytes(),
        "the folder of results": str(out).encode(),
        **numbers,
    }


def search(defender, server, out, tmp_path, game, defense, needs, plant=None):
    path = tmp_path / "duck.py"
    path.write_text(THIEF.replace("NEEDS", needs))
    attack = create("attack", f"{path}:SittingDuck")
    deployment = defender.deploy(create("defense", defense))
    made = create("game", game)
    case = make_case(defender.setting, deployment, made, attack)
    looking = Search(secrets_of(case, out))
    adversary = Adversary(defender, case, attack, made)
    adversary.progress = looking
    challenge = adversary.challenge()
    if plant is not None:
        fields = adversary.view_fields()
        adversary.view_fields = lambda: {**fields, "attribute_names": plant(case)}
    answer = server.guess(adversary, challenge)
    assert looking.searched > 50e6, "nothing was searched"
    return looking.found, answer.log


@pytest.mark.parametrize(
    ("game", "needs", "allowed"),
    [
        ("membership", "scores", set()),
        ("linkage", "images", set()),
        ("reconstruction", "images", set()),
        ("attribute", "images", set()),
    ],
)
def test_no_truth_is_in_the_memory_of_an_attack(defender, server, out, tmp_path, game, needs, allowed):
    found, log = search(defender, server, out, tmp_path, game, "vim", needs)
    if game in {"membership", "linkage"}:
        # All candidates are shown there, members and others: their pixels are no secret.
        found -= {"an original"}
    assert found == allowed
    assert log["threads"] == [1]
    assert log["descriptors"] == []
    assert log["named"] == [0]
    assert log["frames"][0] < 15


def test_what_is_planted_is_found(defender, server, out, tmp_path):
    found, _ = search(
        defender, server, out, tmp_path, "membership", "vim", "scores",
        plant=lambda case: (case.parts.members.clone(), case.order.clone(), str(out)),
    )  # fmt: skip
    assert {"the members", "the order of the release", "the folder of results"} <= found


def test_without_protection_the_originals_are_found(defender, server, out, tmp_path):
    found, _ = search(defender, server, out, tmp_path, "reconstruction", "none", "images")
    assert "an original" in found


def test_an_answer_is_a_plain_tensor(defender, server, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(
        "import torch\nfrom privbench import MembershipAttack, register\n\n"
        "class Odd(torch.Tensor):\n    'Does something else than it shows.'\n\n"
        "@register('odd')\nclass OddAttack(MembershipAttack):\n    'A test.'\n"
        "    def guess(self, view, challenge):\n        return torch.zeros(len(challenge)).as_subclass(Odd)\n"
    )
    attack = create("attack", f"{path}:OddAttack")
    game = create("game", "membership")
    case = make_case(defender.setting, defender.deploy(create("defense", "vim")), game, attack)
    adversary = Adversary(defender, case, attack, game)
    assert type(server.guess(adversary, adversary.challenge()).guess) is torch.Tensor
