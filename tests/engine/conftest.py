import pytest
from sessions import session_of, setting_of

from privbench.engine.executors.choose import executor
from privbench.store.cache import Cache


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """One cache for all tests of the engine: models that several tests need are trained once."""
    return Cache(tmp_path_factory.mktemp("cache"), pytest.fail)


@pytest.fixture(scope="session")
def session(shared_cache):
    """MNIST at scale smoke; attacks run in this process."""
    return session_of(setting_of(), shared_cache)


@pytest.fixture(scope="session")
def defender(session):
    return session.defender


@pytest.fixture(scope="session")
def isolated():
    """The executor that plays attacks in processes of their own."""
    with executor(timeout=300) as chosen:
        yield chosen
