"""Alert rules for operators, as Grafana provisions them: lag, stall, refusals and too few effective particles."""

from __future__ import annotations

from typing import Any, NamedTuple

from connectors.grafana.filter_health import lowest_ess
from connectors.grafana.operations import newest, refused, silence
from connectors.grafana.panels import INFLUX


class Rule(NamedTuple):
    """A rule: it holds while the last value of ``query`` over ``seconds`` is beyond ``limit`` for ``lasting``.

    ``without`` is what no value at all means: *Alerting* where there always must be one.
    """

    uid: str
    title: str
    query: str
    seconds: int
    beyond: str
    limit: float
    lasting: str
    without: str
    mend: str


RULES = (
    Rule("dosetwin-lag", "Twins are behind", newest("behind_seconds", "max", "_value"), 600, "gt", 60, "5m", "OK",
         "start another worker, or look for a patient with a heavy refold: docs/operations.md"),
    Rule("dosetwin-stall", "A partition is silent", silence("_value"), 86_400, "gt", 60, "1m", "Alerting",
         "its worker died, or 'dosetwin sink operations' does: dosetwin doctor"),
    Rule("dosetwin-stuck", "Nothing is made permanent", newest("stuck", "sum", "_value"), 600, "gt", 0, "1m", "OK",
         "the broker does not take records, or the worker hangs: dosetwin doctor"),
    Rule("dosetwin-sink", "A sink is behind", newest("behind_seconds", "max", "_value", "sink"), 600, "gt", 300, "5m",
         "OK", "it died, or what it writes to is away, slow or full: its /readyz, its log, docs/operations.md"),
    Rule("dosetwin-sealed", "A twin moves no more", newest("sealed", "sum", "_value"), 600, "gt", 0, "1m", "OK",
         "dosetwin patient repair says how each comes back, and brings it back with --yes"),
    Rule("dosetwin-rejects", "Records are refused", refused("_value"), 900, "gt", 20, "0s", "OK",
         "dosetwin rejected list; mend the sender and dosetwin rejected resend"),
    Rule("dosetwin-ess", "Too few effective particles", lowest_ess(), 86_400, "lt", 50, "15m", "OK",
         "the model does not explain what is measured, or DOSETWIN_PARTICLES is too small: see Filter health"),
)  # fmt: skip


def alert_rules() -> dict[str, Any]:
    """The content of a file of Grafana's alerting provisioning."""
    group = {
        "orgId": 1,
        "name": "dosetwin",
        "folder": "dosetwin",
        "interval": "1m",
        "rules": [_rule(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(rule: Rule) -> dict[str, Any]:
    span = {"from": rule.seconds, "to": 0}
    asked = {"refId": "A", "query": rule.query, "intervalMs": 10_000, "maxDataPoints": 1_000}
    last = {"refId": "B", "type": "reduce", "expression": "A", "reducer": "last"}
    beyond = {"evaluator": {"type": rule.beyond, "params": [rule.limit]}}
    judged = {"refId": "C", "type": "threshold", "expression": "B", "conditions": [beyond]}
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "C",
        "for": rule.lasting,
        "noDataState": rule.without,
        "execErrState": "Error",
        "labels": {"team": "operations"},
        "annotations": {"summary": rule.title, "description": rule.mend},
        "data": [
            {"refId": "A", "relativeTimeRange": span, "datasourceUid": INFLUX.uid, "model": asked},
            {"refId": "B", "relativeTimeRange": span, "datasourceUid": "__expr__", "model": last},
            {"refId": "C", "relativeTimeRange": span, "datasourceUid": "__expr__", "model": judged},
        ],
    }
