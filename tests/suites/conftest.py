import pytest

from privbench.suites.reading import read_suite
from privbench.suites.running import run_suite


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """One run of the shipped suite: its folder, results, progress, and whether each was there already."""
    out = tmp_path_factory.mktemp("smoke")
    heard, reused = [], []
    results = run_suite(
        "smoke",
        out=out,
        device="cpu",
        progress=lambda *told: heard.append(told),
        done=lambda _, was_there: reused.append(was_there),
    )
    return out, results, heard, reused


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a suite's text to ``mine.toml`` in the working directory and read it."""
    monkeypatch.chdir(tmp_path)

    def read(text):
        (tmp_path / "mine.toml").write_text(text)
        return read_suite("mine.toml")

    return read
