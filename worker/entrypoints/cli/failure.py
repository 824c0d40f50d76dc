"""From an exception to a sentence and an exit code."""

from __future__ import annotations

from redis.exceptions import RedisError

from worker.adapters.celery.client import QueueUnavailable
from worker.adapters.share.folders import ShareUnavailable
from worker.adapters.start_problem import StartRefused
from worker.contract.settings import SettingsError
from worker.entrypoints.cli.console import err
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.operations.dead_items import NoSuchDeadLetter
from worker.operations.review import DecisionRefused
from worker.processing.records import RecordsUnavailable


class AlreadyRunning(Exception):
    """Another `imr up` runs on the share."""


def explain_failure(error: Exception) -> ExitCode:
    """Print what happened and what to do. Raises `error` again if a person cannot act on it."""
    code = _code(error)
    if code is None:
        raise error
    if isinstance(error, StartRefused):
        for problem in error.problems:
            _print_sentence(f"{problem.what}\n     -> {problem.remedy}")
    elif code is ExitCode.UNAVAILABLE:
        what = f"Redis did not answer ({type(error).__name__})" if isinstance(error, RedisError) else str(error)
        _print_sentence(f"{what}; `imr check` says why; no letter is lost")
    else:
        _print_sentence(str(error))
    return code


def _code(error: Exception) -> ExitCode | None:
    match error:
        case StartRefused() | SettingsError():
            return ExitCode.REFUSED
        case RecordsUnavailable() | QueueUnavailable() | RedisError() | ShareUnavailable():
            return ExitCode.UNAVAILABLE
        case NoSuchDeadLetter():
            return ExitCode.NOT_FOUND
        case DecisionRefused():
            return ExitCode.CONFLICT
        case AlreadyRunning():
            return ExitCode.RUNNING
        case _:
            return None


def _print_sentence(sentence: str) -> None:
    err.print(f"imr: {sentence}", markup=False)
