import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

NO_TORCH = (
    "import sys\n"
    "sys.argv[0] = 'privbench'\n"
    "from privbench.__main__ import main\n"
    "code = 0\n"
    "try:\n"
    "    main()\n"
    "except SystemExit as end:\n"
    "    code = end.code\n"
    "from privbench.core.lazy import is_loaded\n"
    "assert not is_loaded('torch'), 'torch was imported'\n"
    "sys.exit(code)\n"
)
ENVIRONMENT = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}


def cli(
    *words: str, cwd: Path | None = None, without_torch: bool = False
) -> subprocess.CompletedProcess[str]:
    start = ["-c", NO_TORCH] if without_torch else ["-m", "privbench"]
    return subprocess.run(
        [sys.executable, *start, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=ENVIRONMENT,
    )


RUN = ("run", "--scale", "smoke", "--quiet", "--out", "runs")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--help"], "leaderboard"),
        (["--version"], "privbench"),
        (["list"], "loss-threshold"),
        (["list", "attacks"], "lira"),
        (["run", "--help"], "--defense"),
    ],
)
def test_answers_without_torch(words, expected):
    done = cli(*words, without_torch=True)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


VIM = ["run", "--defense", "vim", "--attack", "lira"]
MISTAKES = [
    (["run", "--defense", "vmi", "--attack", "lira"], "'vim'"),
    (["run", "--defense", "vim", "--attack", "lria"], "'lira'"),
    (["run", "--defense", "vim", "--attack", "membershp"], "unknown attack"),
    (["run", "--defense", "vim[windw=2]", "--attack", "lira"], "'window'"),
    (["run", "--defense", "vim[window=0]", "--attack", "lira"], "window"),
    (["run", "--defense", "dp-sgd[epsilon=-1]", "--attack", "lira"], "epsilon"),
    (["run", "--defense", "vim[window", "--attack", "lira"], "cannot read"),
    (["run", "--defense", "vim"], "--attack"),
    (["run", "--attack", "lira"], "--defense"),
    ([*VIM, "--dataset", "mnist5k"], "'mnist-5k'"),
    ([*VIM, "--dataset", "npz:/no/file.npz"], "/no/file.npz"),
    ([*VIM, "--dataset", "imagefolder:/no/folder"], "/no/folder"),
    ([*VIM, "--model", "resnt"], "'resnet'"),
    ([*VIM, "--seed", "-1"], "seed"),
    ([*VIM, "--scale", "huge"], "smoke"),
    ([*VIM, "--out", "/dev/null/x"], "--out"),
    (["run", "--defense", "vim", "--attack", "./no_file.py:A"], "no_file.py"),
    (["list", "atacks"], "attack"),
    (["show", "attack", "lria"], "'lira'"),
    (["show", "atack", "lira"], "'attack'"),
    (["weights", "fetch", "alexnt"], "alexnet"),
    (["leaderboard", "--from", "/no/folder"], "/no/folder"),
    (["rnu"], "rnu"),
]


@pytest.mark.parametrize(
    ("words", "expected"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_mistakes_exit_with_2_and_say_what_to_do_without_torch(words, expected, tmp_path):
    done = cli(*words, cwd=tmp_path, without_torch=True)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--defense", "vim[window=5]", "--attack", "confidence"], "window"),
        (["--defense", "dp-sgd[delta=0.5]", "--attack", "confidence"], "delta"),
        (["--defense", "none", "--attack", "confidence", "--dataset", "npz:few.npz"], "at least 100"),
        (["--defense", "none", "--attack", "confidence", "--dataset", "npz:nan.npz"], "NaN"),
    ],
)
def test_what_does_not_fit_the_data_is_a_mistake_too(words, expected, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "few.npz", images=rng.random((30, 16, 16), dtype=np.float32), labels=np.arange(30) % 2
    )
    images = rng.random((400, 16, 16), dtype=np.float32)
    images[3, 3, 3] = np.nan
    np.savez(tmp_path / "nan.npz", images=images, labels=np.arange(400) % 2)
    done = cli(*RUN, *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_cuda_without_a_gpu_is_a_mistake(tmp_path):
    from privbench.runner.device import cuda_devices

    if cuda_devices():
        pytest.skip("this machine has a GPU")
    done = cli(*VIM, "--device", "cuda", cwd=tmp_path, without_torch=True)
    assert done.returncode == 2
    assert "--device cpu" in done.stderr


def test_show_gives_threat_model_ranges_and_source():
    done = cli("show", "attack", "lira")
    assert done.returncode == 0
    for word in ("membership", "scores", "public prior", "online", "Carlini"):
        assert word in done.stdout


def test_doctor_answers(tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PRIVBENCH_DATA", str(tmp_path))
    done = cli("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("torch", "mnist-5k", "alexnet", "CUDA", "mnist[download=true]"):
        assert word in done.stdout


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = cli(
        *RUN, "--defense", "pixelate", "--attack", "loss-threshold", "--attack", "window-mean", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_prints_its_table_and_says_where_things_are(finished_run):
    folder, done = finished_run
    for word in ("pixelate", "loss-threshold", "window-mean", "worst case", "accuracy", "runs/records"):
        assert word in done.stdout
    assert done.stderr == ""
    pictures = {p.name.partition("-")[0] for p in (folder / "runs" / "pictures").glob("*.png")}
    assert pictures == {"mnist", "roc"}


def test_the_second_run_reuses_every_cell(finished_run):
    folder, first = finished_run
    again = cli(
        *RUN, "--defense", "pixelate", "--attack", "loss-threshold", "--attack", "window-mean", cwd=folder
    )
    assert again.returncode == 0
    count = len(list((folder / "runs" / "records").rglob("*.json")))
    assert f"{count} cells ({count} from earlier runs)" in again.stdout
    assert again.stdout.partition(" cells (")[0] == first.stdout.partition(" cells (")[0]


def test_json_prints_the_records(finished_run):
    folder, _ = finished_run
    done = cli(*RUN, "--json", "--defense", "pixelate", "--attack", "loss-threshold", cwd=folder)
    records = json.loads(done.stdout)
    assert {r["cell"]["attack"] for r in records} == {"loss-threshold", "blind"}
    assert {"hashes", "versions", "seeds", "git"} <= set(records[0]["provenance"])


def test_leaderboards_are_pure_functions_of_records(finished_run, tmp_path):
    folder, _ = finished_run
    for name in ("a", "b"):
        done = cli("leaderboard", "--from", str(folder / "runs"), "--out", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
    files = sorted(str(p.relative_to(tmp_path / "a")) for p in (tmp_path / "a").rglob("*.*"))
    assert any(f.endswith(".md") for f in files)
    assert any(f.endswith(".csv") for f in files)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_damaged_record_is_refused_by_the_leaderboard_and_mended_by_the_run(tmp_path):
    words = (*RUN, "--defense", "pixelate", "--attack", "confidence", "--no-controls")
    assert cli(*words, cwd=tmp_path).returncode == 0
    record = next((tmp_path / "runs" / "records").rglob("*.json"))
    whole = record.read_text()
    record.write_text(whole[:-40])
    refused = cli("leaderboard", "--from", "runs", cwd=tmp_path)
    assert refused.returncode == 2
    assert record.name in refused.stderr
    mended = cli(*words, cwd=tmp_path)
    assert mended.returncode == 0
    assert record.name in mended.stderr
    assert json.loads(record.read_text())["figures"] == json.loads(whole)["figures"]


def test_a_failing_attack_leaves_the_others_alone(tmp_path):
    (tmp_path / "bad.py").write_text(
        "import torch\n"
        "from privbench import MembershipAttack, register\n"
        "@register('nan')\n"
        "class Nan(MembershipAttack):\n"
        "    '''Answers NaN.'''\n"
        "    def guess(self, view, challenge):\n"
        "        return torch.full((len(challenge),), float('nan'))\n"
    )
    (tmp_path / "broken.py").write_text(
        "from privbench import ImageDefense, register\n"
        "@register('broken')\n"
        "class Broken(ImageDefense):\n"
        "    '''Cannot protect.'''\n"
        "    def protect(self, images, keys):\n"
        "        return images / nothing\n"
    )
    done = cli(
        *RUN,
        "--no-controls",
        "--defense",
        "./broken.py:Broken",
        "--defense",
        "none",
        "--attack",
        "./bad.py:Nan",
        "--attack",
        "confidence",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "NaN" in done.stdout
    assert "Traceback" not in done.stderr
    records = [json.loads(p.read_text()) for p in (tmp_path / "runs" / "records").rglob("*.json")]
    assert {(r["cell"]["defense"], r["cell"]["attack"]): r["status"] for r in records} == {
        ("none", "nan"): "failed",
        ("none", "confidence"): "ok",
        ("broken", "nan"): "failed",
        ("broken", "confidence"): "failed",
    }
    assert any("NameError" in r["reason"] for r in records)


def figures(folder: Path) -> dict[str, object]:
    found = {}
    for path in (folder / "runs" / "records").rglob("*.json"):
        record = json.loads(path.read_text())
        keys = ("figures", "utility", "release", "queries", "log", "flags")
        found[path.name] = {key: record[key] for key in keys}
    return found


def test_a_killed_run_continues_and_gives_the_same_figures(tmp_path):
    words = (*RUN, "--defense", "vim", "--attack", "lira", "--attack", "restoration", "--no-controls")
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    assert cli(*words, cwd=whole).returncode == 0
    for seconds in (3.0, 4.5, 6.0, 7.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "privbench", *words],
            cwd=torn, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = cli(*words, cwd=torn)
    assert done.returncode == 0, done.stderr
    assert figures(torn) == figures(whole)


def test_two_runs_at_once_do_not_harm_each_other(tmp_path):
    words = (*RUN, "--defense", "blur", "--attack", "lira", "--attack", "window-mean", "--no-controls")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "privbench", *words],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert errors == ""
    assert len(figures(tmp_path)) == 2
    assert not list((tmp_path / "runs").rglob(".tmp-*"))
