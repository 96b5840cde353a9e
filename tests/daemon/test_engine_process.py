"""How an engine process is started, and how its end is told."""

import signal

from stardraftd.engine_process import engine_environment, signal_name


def test_the_engines_threads_soon_yield_while_they_wait() -> None:
    environment = engine_environment({"LANG": "C"})
    assert int(environment["GOMP_SPINCOUNT"]) <= 10_000
    assert environment["LANG"] == "C"


def test_a_persons_own_openmp_settings_are_kept() -> None:
    assert engine_environment({"GOMP_SPINCOUNT": "77"})["GOMP_SPINCOUNT"] == "77"
    assert "GOMP_SPINCOUNT" not in engine_environment({"OMP_WAIT_POLICY": "active"})


def test_signals_are_named() -> None:
    assert signal_name(signal.SIGTERM) == "SIGTERM (15)"
    assert signal_name(4242) == "signal 4242"
