"""The figures of ``dosetwin bench``: what each is called, what is to be reached, and how they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure: its name in the JSON, its unit, what is to be reached ('' for none), and how it is measured."""

    name: str
    unit: str
    reach: str
    how: str


FIGURES = (
    Figure(
        "kernel_ns_per_particle_step", "ns", "", "docetaxel, six cycles solved for 1,000 particles; median of 25 runs"
    ),
    Figure(
        "kernel_vs_handwritten",
        "",
        "<= 1.1",
        "over scalar kernels written by hand for three models: same steps, runs in turn, medians",
    ),
    Figure("compile_s", "s", "<= 10", "the docetaxel model with an empty cache, ready for a first patient"),
    Figure("compile_cached_s", "s", "<= 0.3", "the same from the cache, in a process that has other models"),
    Figure("forecast_ms", "ms", "<= 20", "docetaxel with neutrophils, 1,000 particles, 21 days, hourly; median"),
    Figure(
        "update_ms", "ms", "<= 120", "a new count after six cycles of docetaxel: mean over all counts of four weeks"
    ),
    Figure("update_ms_worst", "ms", "", "the slowest of them"),
    Figure("update_moved_share", "", "", "share of them for which the particles were resampled and moved"),
    Figure("update_levels_ms", "ms", "<= 20", "one more level of a drug in two compartments: mean over ten in a day"),
    Figure("map_ms", "ms", "<= 1; 8; 200; 30", "mode and FOCE covariance of one patient, cold start; by model"),
    Figure(
        "rules_share", "%", "<= 5", "of the processor time of estimates, ward's mix of patients: what judging takes"
    ),
    Figure("late_event_ms", "ms", "", "the same counts, each told a day late"),
    Figure("late_event_ms_worst", "ms", "", "the slowest of them"),
    Figure("advice_ms", "ms", "<= 300", "processor time of advice after six docetaxel cycles, one of others; median"),
    Figure("what_if_ms", "ms", "<= 300", "the same of five branches beside the plan, as far as forecasts go"),
    Figure("advice_ms_slowest", "ms", "<= 300", "the same after one course, by the library's model that takes longest"),
    Figure("advice_models", "", "", "models of the library that can advise, which were all asked"),
    Figure(
        "learning_off_ml",
        "",
        "<= 0.01",
        "two years of a ward whose published population is wrong (imatinib, 304 patients): largest difference of a "
        "learnt log typical value, variance or log error from maximum likelihood on the same records, by quadrature",
    ),
    Figure(
        "learning_gain",
        "%",
        ">= 10",
        "there, by how much the log error of the next value is less than under the published population, once released",
    ),
    Figure("learning_worst", "%", ">= 0", "the least such gain of any quarter of the two years"),
    Figure(
        "fit_focei_s",
        "s",
        "<= 0.3 (rich)",
        "processor time of a whole fit by FOCE-I, closed forms: 12 patients with 11 levels, 59 with two or three",
    ),
    Figure(
        "focei_vs_scipy",
        "",
        "",
        "processor time of the search for the 12, over the same objective by hand and SciPy's BFGS",
    ),
    Figure("fit_ml_s", "s", "<= 3", "processor time of a fit of the likelihood itself, 12 patients with 11 levels"),
    Figure("bootstrap_s", "s", "<= 600", "processor time of 1,000 refits of 59 patients with two or three levels"),
    Figure(
        "fit_stepped_s",
        "s",
        "<= 30; 120",
        "processor time of whole fits by FOCE-I, stepped equations: levels and an effect that turns over (32 patients, "
        "8 effects), binding to a target (50 patients, 8 effects, full Omega)",
    ),
    Figure("state_row_bytes", "B", "<= 150,000", "the same patients' state with pump samples and wearable readings"),
    Figure("row_encrypt_us", "us", "", "processor time to encrypt a row of 63 kB with its patient's key; median"),
    Figure("row_open_us", "us", "", "processor time to open it again; median"),
    Figure(
        "cost_growth", "", "<= 1.05", "an event near a patient's 10,000th over one near the 100th; fluorouracil pump"
    ),
    Figure(
        "cost_growth_years", "", "<= 1.2", "third year of daily 6-mercaptopurine over the first; parameters that drift"
    ),
    Figure("worker_rss_mib_500_twins", "MiB", "<= 1,024", "a process with 500 docetaxel twins after two data each"),
    Figure("twin_kib", "KiB", "<= 200", "memory of one of them, and of one that is idle: it stands in its row on disk"),
    Figure("mature_twin_kib", "KiB", "<= 200", "what one holds at rest after weeks of pump, wearable and laboratory"),
    Figure("routine_event_us", "us", "<= 40", "processor time of a reading in the worker, bytes to history; median"),
    Figure("ward_event_us", "us", "", "the same of any event of a ward, with what follows from it; mean, no broker"),
    Figure("stream_vs_passthrough", "", ">= 0.8", "events/s of the worker over a bare Faust pass-through; ward of 200"),
    Figure("worker_per_s", "/s", "", "events a second of the worker, catching up"),
    Figure("passthrough_per_s", "/s", "", "events a second of the pass-through"),
    Figure("latency_ms", "ms", "p99 <= 150", "from Kafka to estimate at half of worker_per_s; the last 30 s"),
    Figure("latency_at_per_s", "/s", "", "events a second at which it was measured"),
    Figure(
        "two_workers",
        "",
        ">= 1.8",
        "two workers over one: twice the processor time an event costs one, over that of two",
    ),
    Figure(
        "backlog_vs_replay",
        "",
        ">= 0.5",
        "years that wait in the topics: processor time of a replay of them over that of a worker",
    ),
    Figure("backlog_refolds", "", "0", "how often one of their twins folded again meanwhile"),
    Figure(
        "crash_recovery_s", "s", "<= 10", "from a process's start in place of a killed one until 1,000 twins are back"
    ),
    Figure("mllp_per_s", "/s", ">= 500", "HL7 messages, acknowledged when Kafka has them, a second of processor time"),
    Figure("mllp_mib", "MiB", "<= 200", "memory of that listener"),
    Figure("http_ms", "ms", "p99 <= 50", "an event over HTTP until Kafka has it, at 500 a second"),
    Figure("http_mib", "MiB", "<= 200", "memory of that listener"),
    Figure(
        "fhir_per_s",
        "/s",
        ">= 1,000",
        "resources of a FHIR server, in Kafka, a second of their reader's processor time",
    ),
    Figure("fhir_mib", "MiB", "<= 200", "memory of that reader"),
    Figure(
        "grafana_query_ms_slowest",
        "ms",
        "<= 300",
        "a query of each Grafana board on 30 days of a ward of 200, in InfluxDB",
    ),
    Figure("grafana_queries", "", "", "queries of variables, marks and panels of the boards, which were all asked"),
    Figure("hand_over_s", "s", "<= 3", "from SIGTERM to one of two workers until the other has all its partitions"),
)

NAMES = tuple(figure.name for figure in FIGURES)


def table(found: dict[str, Any]) -> str:
    """The figures as text: a row each with what was measured, what is to be reached, and how it is measured."""
    rows = [("figure", "measured", "to reach", "how")]
    rows += [(f.name, _shown(found[f.name], f.unit), f.reach or "-", f.how) for f in FIGURES if f.name in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*map(str.ljust, row[:3], widths), row[3]]) for row in rows)


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part, unit)}" for name, part in value.items())
    return f"{value:,} {unit}".strip()
