"""The variables for the number of threads: one while a process is to be copied, the Pod's own for its tasks."""

from __future__ import annotations

import os

import pytest

from mcptasks.worker.blas_threads import VARIABLES, BlasThreads


def test_one_thread_while_the_module_is_loaded_and_the_pods_own_number_for_tasks() -> None:
    environ = {"OMP_NUM_THREADS": "7", "PATH": "/bin"}
    blas = BlasThreads.restrained(environ)
    assert {environ[name] for name in VARIABLES} == {"1"}
    blas.restore(environ)
    assert environ == {"OMP_NUM_THREADS": "7", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "7"}, 3),
        ({"OMP_NUM_THREADS": "7"}, 7),
        ({"OPENBLAS_NUM_THREADS": "0", "OMP_NUM_THREADS": "many"}, len(os.sched_getaffinity(0))),
        ({}, len(os.sched_getaffinity(0))),
    ],
)
def test_a_library_gets_the_number_that_it_would_have_chosen(given: dict[str, str], wanted: int) -> None:
    assert BlasThreads.restrained(dict(given)).wanted == wanted
