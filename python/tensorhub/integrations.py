"""What other libraries report by itself: records of `logging`, metrics of XGBoost and LightGBM.

    logging.getLogger().addHandler(tensorhub.integrations.LogHandler())
    xgboost.train(parameters, data, callbacks=[tensorhub.integrations.xgboost_callback()], evals=[(data, "train")])

Outside of a task all of it does nothing. None of these libraries is imported before a callback for it is made.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from . import attempt, errors

#: Characters of a message and of a traceback, at most; their ends are kept.
LONGEST = 8 << 10
#: Bytes of reports that may wait for the runner, of the script's own too, before records are left out.
BACKLOG = 8 << 20

#: What the client's own thread logs, or what it uses, would make it log again.
_OWN_THREADS = ("tensorhub-reports", "tensorhub-control")


class LogHandler(logging.Handler):
    """Writes records into a log of the task: entries with ``level``, ``logger`` and ``message``.

    Neither waits nor raises. While the runner does not answer, records are left out rather than kept without end; the
    next entry then has ``left_out``, how many. What a record itself makes somebody log is no entry.
    """

    def __init__(self, level: int = logging.NOTSET, kind: str = "training") -> None:
        """
        :param kind: Which log: ``training``, ``validation`` or ``testing``.
        :raises errors.InvalidInput: for another one.
        """
        super().__init__(level)
        if kind not in ("training", "validation", "testing"):
            raise errors.invalid("kind", "kind: %r is none of training, validation, testing" % (kind,))
        self.kind = kind
        self._left_out = 0
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Reports one record."""
        if getattr(self._here, "is_busy", False) or threading.current_thread().name in _OWN_THREADS:
            return
        self._here.is_busy = True
        try:
            if not attempt.is_attempt():
                return
            if attempt.waiting() > BACKLOG:
                self._left_out += 1
                return
            entry: Dict[str, Any] = {
                "level": record.levelname,
                "logger": record.name,
                "message": _shortened(record.getMessage()),
            }
            text = record.exc_text
            if not text and record.exc_info and record.exc_info[0] is not None:
                text = (self.formatter or _FORMATTER).formatException(record.exc_info)
            if text:
                entry["exception"] = _shortened(text)
            if self._left_out:
                entry["left_out"], self._left_out = self._left_out, 0
            attempt.report(entry, kind=self.kind)
        except Exception:  # a script does not fail for what it logs
            self.handleError(record)
        finally:
            self._here.is_busy = False


_FORMATTER = logging.Formatter()


def _shortened(text: str) -> str:
    if len(text) > LONGEST:
        text = text[: LONGEST // 2] + " … " + text[-LONGEST // 2 :]
    # What is no UTF-8 would be refused.
    return text.encode("utf-8", "replace").decode("utf-8")


# MARK: Metrics


def report_metrics(step: int, metrics: Iterable[Tuple[str, Any]], kind: str = "training") -> None:
    """Reports the metrics of an iteration: each under its name, of which a ``.`` becomes ``_``, and ``step``."""
    entry = {name.replace(".", "_").replace("\0", "_").lstrip("$") or "metric": value for name, value in metrics}
    if entry:
        attempt.report({**entry, "step": step}, kind=kind)


def xgboost_callback(period: int = 1, kind: str = "training") -> Any:
    """A callback for ``xgboost.train(..., callbacks=[...])``: reports ``train_rmse``, ... of ``evals``, and ``step``.

    :param period: Every so many iterations.
    :raises ImportError: where XGBoost is not installed.
    """
    _check_period(period)
    from xgboost.callback import TrainingCallback

    class Callback(TrainingCallback):  # type: ignore[misc]
        """Reports the metrics of each iteration."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Dict[str, Dict[str, Any]]) -> bool:
            """Returns ``False``: the training goes on."""
            if epoch % period == 0:
                metrics = []
                for data, histories in evals_log.items():
                    for metric, history in histories.items():
                        # In cross-validation mean and deviation.
                        value = history[-1]
                        metrics.append(("%s_%s" % (data, metric), value[0] if isinstance(value, tuple) else value))
                report_metrics(epoch, metrics, kind)
            return False

    return Callback()


def lightgbm_callback(period: int = 1, kind: str = "training") -> Callable[[Any], None]:
    """A callback for ``lightgbm.train(..., callbacks=[...])``: reports ``valid_0_l2``, ... and ``step``.

    :param period: Every so many iterations.
    """
    _check_period(period)

    def callback(environment: Any) -> None:
        if environment.iteration % period == 0:
            results = environment.evaluation_result_list or []
            report_metrics(environment.iteration, [_lightgbm_metric(result) for result in results], kind)

    # Before early stopping (30), which ends an iteration by an exception.
    callback.order = 20  # type: ignore[attr-defined]
    return callback


def _lightgbm_metric(result: Any) -> Tuple[str, Any]:
    """Name and value of (data, metric, value, _), or of cross-validation's (_, "data metric", mean, _, deviation)."""
    data, metric, value = result[:3]
    is_joined = len(result) > 4 and data == "cv_agg"
    return (str(metric).replace(" ", "_") if is_joined else "%s_%s" % (data, metric)), value


def _check_period(period: Optional[int]) -> None:
    if isinstance(period, bool) or not isinstance(period, int) or period < 1:
        raise errors.invalid("period", "period: %r is no number of iterations; it is at least 1" % (period,))
