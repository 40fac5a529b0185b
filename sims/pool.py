"""Where points are computed: this process, a pool of processes, a Dask cluster.

All are `concurrent.futures.Executor`. Worker processes are spawned, use one thread
each, ignore Ctrl-C (the driver decides) and end with the driver, however it ends: they
hold the reading end of a pipe whose writing end only the driver has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from statmech.errors import StatmechError, check_integer
from statmech.machine import available_threads

_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_GRACE = 2.0  # seconds that killed workers are waited for
_DASK_TIMEOUT = 20.0  # seconds


class SerialExecutor(Executor):
    """Computes in this process, at once."""

    n_workers = 1

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """A future that is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class SpawnPool(Executor):
    """Worker processes of one thread each, replaced by `renew` when one has died.

    Parameters
    ----------
    n_workers : int, optional
        Default: the cores this process may use.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        n = available_threads() if n_workers is None else n_workers
        self.n_workers = check_integer("workers", n, 1, 1024)
        self._start()

    def _start(self) -> None:
        self._context = _Recording()
        hold, self._lifeline = self._context.Pipe(duplex=False)
        self._held = hold
        self._pool = ProcessPoolExecutor(
            self.n_workers,
            mp_context=self._context,
            initializer=_begin_worker,
            initargs=(hold,),
        )

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """As `Executor.submit`; starts a worker if fewer than wanted are there."""
        with _without_interrupt():
            return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> str:
        """Start anew after a worker died; returns how it ended."""
        # The pool is broken and ends its other workers by itself.
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._stop()
        ends = [end for end in self._context.ends() if end not in (0, -signal.SIGTERM)]
        self._start()
        try:
            self.submit(os.getpid).result()
        except BrokenExecutor:
            raise StatmechError(
                "worker processes end before they begin to work; a script that runs "
                'sweeps needs the line `if __name__ == "__main__":` before them'
            ) from None
        if not ends:
            return "its worker process died"
        end = ends[0]
        if end < 0:
            return f"its worker process was killed by {signal.Signals(-end).name}"
        return f"its worker process ended with exit code {end}"

    def _stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._lifeline.close()
        self._held.close()
        self._context.join(_GRACE)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, after their tasks (`wait`) or at once."""
        if wait and not cancel_futures:
            self._pool.shutdown(wait=True)
        self._stop()

    def __exit__(self, kind: Any, *_: Any) -> bool | None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
        return None


class _Recording(SpawnContext):
    """A context that remembers its processes, to see how they ended."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **kwargs)
        self._started.append(process)
        return process

    def join(self, seconds: float) -> None:
        """Wait for all to end, and kill those that do not."""
        deadline = time.monotonic() + seconds
        for process in self._started:
            if process.pid is not None:
                process.join(max(0.0, deadline - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()

    def ends(self) -> list[int]:
        """Exit codes; negative: the signal."""
        return [p.exitcode for p in self._started if p.exitcode is not None]


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Processes started here are born deaf to Ctrl-C, which reaches the driver."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(lifeline: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
    threading.Thread(target=_end_with_driver, args=(lifeline,), daemon=True).start()


def _end_with_driver(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(0)


def use_one_thread() -> None:
    """One thread in this process, for kernels and linear algebra alike."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    if "numba" in sys.modules:
        import numba

        numba.set_num_threads(1)


class DaskExecutor(Executor):
    """The workers of a Dask cluster.

    Parameters
    ----------
    address : str
        Of its scheduler, for example "tcp://host:8786".

    Raises
    ------
    StatmechError
        If `distributed` is not installed, the cluster cannot be reached, or its
        workers have another statmech.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise StatmechError(
                "a Dask cluster needs the package distributed: "
                "pip install 'statmech[distributed]'"
            ) from None
        self._address = address
        try:
            self._client = distributed.Client(
                address, timeout=_DASK_TIMEOUT, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            raise StatmechError(
                f"no Dask scheduler answers at {address!r}: {error}; start one with "
                "`dask scheduler` and workers with `dask worker ADDRESS`"
            ) from None
        try:
            self._check_workers()
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False)
        self._looked = 0.0

    def _check_workers(self) -> None:
        from sims.info import versions

        try:
            self._client.wait_for_workers(1, timeout=_DASK_TIMEOUT)
        except TimeoutError:
            raise StatmechError(
                f"the Dask scheduler at {self._address} has no workers"
            ) from None
        here = {k: versions()[k] for k in ("statmech", "physics_version")}
        try:
            there = self._client.run(versions)
        except Exception as error:
            raise StatmechError(f"a Dask worker cannot run statmech: {error}") from None
        for worker, found in there.items():
            if {k: found[k] for k in here} != here:
                raise StatmechError(
                    f"the Dask worker {worker} has statmech {found['statmech']} "
                    f"(physics {found['physics_version']}), this is "
                    f"{here['statmech']} ({here['physics_version']}); install the same"
                )

    @property
    def n_workers(self) -> int:
        """Threads of all workers now; they come and go."""
        if time.monotonic() - self._looked > 2.0:
            self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return max(1, self._threads)

    @property
    def window(self) -> int:
        """Points under way: one waits at each worker, to hide the network."""
        return 2 * self.n_workers

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """As `Executor.submit`."""
        result: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which goes on."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()

    def __exit__(self, kind: Any, *_: Any) -> bool | None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
        return None
