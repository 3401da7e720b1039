"""Worker processes that are started again after a crash or a hang: no operator can take the run down with it."""

from __future__ import annotations

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from .case import Case, Failure, Outcome

_ROOT = Path(__file__).resolve().parents[2]


class Pool:
    """Runs cases in `workers` processes, each `command` with `environment` over this process's own.

    A case that takes more than `limit_s` seconds ends its worker. Outcomes come as they are ready."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], workers: int, limit_s: float) -> None:
        self._command, self._workers, self._limit_s = list(command), workers, limit_s
        self._environment = {**os.environ, **environment}

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        todo: queue.SimpleQueue[Case] = queue.SimpleQueue()
        done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        for case in cases:
            todo.put(case)
        stop = threading.Event()
        threads = [threading.Thread(target=self._serve, args=(todo, done, stop)) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                item = done.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _serve(self, todo: queue.SimpleQueue, done: queue.SimpleQueue, stop: threading.Event) -> None:
        worker: _Worker | None = None
        try:
            while not stop.is_set():
                try:
                    case = todo.get_nowait()
                except queue.Empty:
                    break
                worker = worker or _Worker(self._command, self._environment)
                outcome = worker.ask(case, self._limit_s)
                if worker.ended:
                    worker.close()
                    worker = None
                done.put(outcome)
        except BaseException as error:  # handed to the thread that reads the outcomes, which raises it
            done.put(error)
        finally:
            if worker:
                worker.close()
            done.put(None)


class _Worker:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self._position = Path(self._folder.name, "position")
        self._errors = open(Path(self._folder.name, "stderr"), "w+")  # noqa: SIM115 (closed by close())
        self._process = subprocess.Popen(
            [sys.executable, *command, "--position", str(self._position)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(environment),
            cwd=_ROOT,
        )
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._process.stdout, selectors.EVENT_READ)
        self._answered = 0
        self.ended = False

    def ask(self, case: Case, limit_s: float) -> Outcome:
        try:
            self._process.stdin.write(json.dumps(asdict(case)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._lost(case, "crash")
        if not self._answers.select(limit_s):
            self._process.kill()
            return self._lost(case, f"hang: no answer in {limit_s:g} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            return self._lost(case, "crash")
        self._answered += 1
        return Outcome.from_json(json.loads(line))

    def _lost(self, case: Case, what: str) -> Outcome:
        self.ended = True
        status = self._process.wait()
        self._errors.seek(0)
        last = [line for line in self._errors.read().splitlines() if line.strip()][-8:]
        if status < 0 and what == "crash":
            what = f"crash ({signal.Signals(-status).name})"
        elif what == "crash":
            what = f"the worker ended with {last[-1] if last else f'status {status}'}"
        if self._answered == 0 and not self._position.exists():
            # It never came as far as an operator: the same would happen to every case.
            raise RuntimeError("a worker could not start:\n" + "\n".join(last))
        where = self._position.read_text().strip()
        return Outcome(case, failures=[Failure(0, "process", f"{what} at {where}", "\n".join(last))])

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._answers.close()
        self._errors.close()
        self._folder.cleanup()
