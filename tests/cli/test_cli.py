import json
import os
import re
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
    (["rnu"], "Did you mean 'run'?"),
    ([*VIM[:-1], "membersip"], "'membership'"),
    ([*VIM[:-1], "Reconstruction"], "'reconstruction'"),
    (["run", "--defense", "al", "--attack", "lira"], "'all'"),
    ([*VIM, "--device", "gpu"], "privbench: invalid value for '--device': 'gpu' is not one of"),
    ([*VIM, "--seed", "abc"], "privbench: invalid value for '--seed': 'abc'"),
    ([*VIM, "--colour"], "privbench: no such option: --colour"),
    ([*VIM, "--out", "/dev/null"], "--out /dev/null"),
    (["show", "defense", "vim[window=0]"], "window=0"),
    (["show", "attack"], "missing argument 'name'"),
    ([], "privbench: name a command"),
    (["weights"], "privbench: name a command"),
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


@pytest.mark.parametrize("words", [["run", "--help"], ["show", "--help"]])
def test_help_keeps_brackets(words):
    form = {"run": "name[param=value]", "show": "vim[window=7]"}[words[0]]
    assert form in cli(*words).stdout


@pytest.mark.parametrize("words", [[], ["weights"]])
def test_without_a_command_the_help_is_shown(words):
    done = cli(*words)
    assert "list" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("privbench: name a command")


@pytest.mark.skipif(not os.access("/sys", os.X_OK), reason="no /sys here")
def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    done = cli(*VIM, "--out", "/sys", cwd=tmp_path, without_torch=True)
    assert done.returncode == 2
    assert "--out /sys" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_refused_at_once(tmp_path):
    folder = tmp_path / "ro"
    folder.mkdir(mode=0o555)
    done = cli(*VIM, "--out", "ro", cwd=tmp_path, without_torch=True)
    assert done.returncode == 2
    assert "--out ro" in done.stderr


SIGNALS = """
import os, signal, time
from privbench import ImageDefense, register
{at_import}
@register("signals")
class Signals(ImageDefense):
    '''Interrupts its own process, twice.'''

    def protect(self, images, keys):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize("at_import", ["", "os.kill(os.getpid(), signal.SIGINT)"], ids=["run", "import"])
def test_an_interrupt_says_one_line_and_a_second_one_does_not_disturb(tmp_path, at_import):
    (tmp_path / "mine.py").write_text(SIGNALS.format(at_import=at_import))
    done = cli(*RUN, "--defense", "./mine.py:Signals", "--attack", "window-mean", cwd=tmp_path)
    assert done.returncode == 130, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("privbench: interrupted. Finished results are kept")


def test_an_interrupt_of_the_command_line_s_own_imports_leaves_no_traceback():
    code = (
        "import os, signal, sys\n"
        "from privbench.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'rich':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["list"], ["--version"], ["--help"]])
def test_output_that_cannot_be_written_is_one_line(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "privbench", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "privbench: cannot write the output: No space left on device.\n"


@pytest.mark.parametrize("words", [["list"], ["--version"], ["--help"]])
def test_a_reader_that_went_away_ends_it_as_sigpipe_would(words):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "privbench", *words],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_long_cells_wrap(monkeypatch, tmp_path):
    monkeypatch.setitem(ENVIRONMENT, "COLUMNS", "60")
    monkeypatch.setitem(ENVIRONMENT, "PRIVBENCH_DATA", str(tmp_path / ("deep/" * 12)))
    for words in (["doctor"], ["list"], ["list", "attacks"]):
        done = cli(*words)
        assert "…" not in done.stdout.replace("``train_…``", "").replace("test_…", "").replace("/…/", "")
    assert "shadow-classifier" in done.stdout


def test_show_takes_the_name_of_a_row():
    done = cli("show", "defense", "vim[window=9]", without_torch=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("vim (defense)")
    assert "given" in done.stdout
    assert cli("show", "dataset", "npz:mine.npz").returncode == 0


def test_cuda_without_a_gpu_is_a_mistake(tmp_path):
    from privbench.engine.device import cuda_devices

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
    assert pictures == {"gallery", "roc"}


def test_the_second_run_reuses_every_cell(finished_run):
    folder, first = finished_run
    again = cli(
        *RUN, "--defense", "pixelate", "--attack", "loss-threshold", "--attack", "window-mean", cwd=folder
    )
    assert again.returncode == 0
    count = len(list((folder / "runs" / "records").rglob("*.json")))
    assert f"{count} cells ({count} from earlier runs)" in again.stdout
    assert again.stdout.partition(" cells (")[0] == first.stdout.partition(" cells (")[0]


def test_json_prints_verdicts_and_records(finished_run):
    folder, _ = finished_run
    done = cli(*RUN, "--json", "--defense", "pixelate", "--attack", "loss-threshold", cwd=folder)
    told = json.loads(done.stdout)
    assert {r["cell"]["attack"] for r in told["records"]} == {"loss-threshold", "blind"}
    assert {"hashes", "versions", "seeds", "git"} <= set(told["records"][0]["provenance"])
    (verdict,) = told["verdicts"]
    assert verdict["defense"] == "pixelate"
    assert verdict["games_played"] in (["membership"], [])
    assert {"linkage", "reconstruction", "attribute"} <= set(verdict["games_not_played"])


def test_a_pipeline_can_end_on_a_verdict(finished_run):
    folder, _ = finished_run
    words = (*RUN, "--defense", "pixelate", "--attack", "window-mean", "--quiet")
    done = cli(*words, "--fail-on", "inconclusive", "--json", cwd=folder)
    status = json.loads(done.stdout)["verdicts"][0]["status"]
    assert done.returncode == (0 if status == "RATED" else 3)
    uncontrolled = cli(*words, "--no-controls", "--fail-on", "inconclusive", cwd=folder)
    assert uncontrolled.returncode == 3
    assert "pixelate is UNRATED" in uncontrolled.stderr
    assert "none and blackout were not run" in " ".join(uncontrolled.stdout.split())
    assert cli(*words, "--no-controls", "--fail-on", "broken", cwd=folder).returncode == 0


def test_a_dry_run_says_what_is_there_and_runs_nothing(finished_run, tmp_path):
    folder, _ = finished_run
    words = (*RUN, "--defense", "pixelate", "--attack", "window-mean", "--dry-run")
    there = cli(*words, cwd=folder)
    assert "pixelate × window-mean, reconstruction, seed 0: finished" in there.stdout
    anew = cli(*words, cwd=tmp_path)
    assert "pixelate × window-mean, reconstruction, seed 0: to run" in anew.stdout
    assert "Time of attacks: unknown" in anew.stdout
    assert list(tmp_path.iterdir()) == []
    again = cli(*words, "--seed", "1", cwd=folder)
    assert re.search(r"window-mean, reconstruction, seed 1: to run, about [0-9.]+ s", again.stdout)


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


def test_leaderboards_that_cannot_be_written_are_a_mistake(finished_run, tmp_path):
    folder, _ = finished_run
    (tmp_path / "afile").touch()
    done = cli("leaderboard", "--from", str(folder / "runs"), "--out", "afile", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "privbench: --out afile: afile is a file. Choose a folder.\n"


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
