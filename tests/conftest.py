"""Fixtures for all tests: event loops by mark, mocked HTTP, and a clean environment."""

import asyncio
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import HealthCheck, settings

from tests.support.clocks import ManualClockLoop, VirtualClockLoop
from tests.support.mocked_http import MockedHttp
from tests.support.signals import restore_default_signals

# Deterministic Hypothesis runs, without deadlines on slow machines.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # for machines under load
)
settings.load_profile("tests")

CLOCKS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "virtual_clock": VirtualClockLoop,
    "manual_clock": ManualClockLoop,
}


# The machine's settings of AWS clients, applications, proxies and certificates.
SETTINGS = re.compile(r"AWS_.*|COGNITO_(?!ASYNC_).*|(?i:HTTPS?_PROXY|NO_PROXY|ALL_PROXY|SSL_CERT_FILE)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    restore_default_signals()
    for name in filter(SETTINGS.fullmatch, [*os.environ]):  # before tests are imported
        del os.environ[name]
    config.addinivalue_line("markers", "virtual_clock: run on a loop whose time jumps to the next timer")
    config.addinivalue_line("markers", "manual_clock: run on a loop whose time moves with advance()")


# They start first, because each takes long: the last one would run while other processes have nothing left to do.
LONG = ("tools/test_pyinstaller.py", "protocol/test_srp_exchanges.py", "core/test_soak.py", "bulk/test_kill.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests that take longest to the front."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Warn about skipped browser tests."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    if skipped := [reason for reason in reasons if "Chromium" in reason]:
        warning = f"{len(skipped)} browser tests were skipped: install Chromium (apt-get install chromium)"
        terminalreporter.write_sep("!", warning, red=True, bold=True)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop by the mark of the test."""
    for name, factory in CLOCKS.items():
        if item.get_closest_marker(name) is not None:
            return {name: factory}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def mocked() -> Iterator[MockedHttp]:
    """Mock aiohttp's requests."""
    mocks = MockedHttp()
    with mocks:
        yield mocks


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(10)  # a thread ends shortly after it has passed on its result
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads left behind: {left}"
