"""-2 log likelihood of Bauer's mixture by quadrature, with nothing of dosetwin, at both published estimates:
``python -m tests.twin.population.mixture.quadrature``.

Of each patient and class the integral over (eta_V, eta_K) is taken by `POINTS`^2 Gauss-Hermite points about the mode,
`WIDER` than its curvature says. C = dose/V exp(-K t), proportional error; n log(2 pi) is left out, as NONMEM does.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping

import numpy as np
from scipy.special import logsumexp

from tests.twin.population.published.sets import DATA
from twin.arrays import Floats

POINTS, WIDER, STEP = 40, 1.3, 1e-4


class Patient:
    """One patient of one class: log p(values, eta), up to n log(2 pi) / 2."""

    def __init__(self, rows: list[Mapping[str, str]], mean: Floats, omega: Floats, variance: float) -> None:
        dose = next(row for row in rows if row["EVID"] == "1")
        seen = [row for row in rows if row["DV"]]
        self.time = np.array([float(row["TIME"]) for row in seen]) - float(dose["TIME"])
        self.y = np.array([float(row["DV"]) for row in seen])
        self.log_dose, self.mean, self.variance = np.log(float(dose["AMT"])), mean, variance
        self.precision, self.log_det = np.linalg.inv(omega), float(np.log(np.linalg.det(omega)))

    def log(self, eta: Floats) -> Floats:
        """At eta (..., 2)."""
        phi = self.mean + eta
        log_f = self.log_dose - phi[..., :1] - np.exp(phi[..., 1:]) * self.time
        apart = self.y * np.exp(-np.maximum(log_f, -300.0)) - 1.0
        values = -0.5 * (apart**2 / self.variance + np.log(self.variance) + 2.0 * log_f).sum(axis=-1)
        along = np.einsum("...i,ij,...j->...", eta, self.precision, eta)
        return np.asarray(values - 0.5 * (along + self.log_det) - np.log(2.0 * np.pi))

    def mode(self) -> tuple[Floats, Floats]:
        """Where it is highest, from 0 on, and the lower factor of the covariance there."""
        eta, h = np.zeros(2), STEP * np.eye(2)
        for _ in range(40):
            up, down = self.log(eta + h), self.log(eta - h)
            both = self.log(eta + h.sum(axis=0)) + self.log(eta - h.sum(axis=0))
            here = self.log(eta)
            bend = np.diag((up + down - 2.0 * here) / STEP**2)
            bend[0, 1] = bend[1, 0] = (both - up.sum() - down.sum() + 2.0 * here) / (2.0 * STEP**2)
            values, vectors = np.linalg.eigh(-bend)
            values = np.maximum(np.abs(values), 1.0)
            step = vectors @ (vectors.T @ (up - down) / (2.0 * STEP) / values)
            while self.log(eta + step) < here and np.abs(step).max() > 1e-7:
                step = 0.5 * step
            eta = eta + step
            if np.abs(step).max() < 1e-6:
                break
        return eta, vectors / np.sqrt(values)

    def integral(self) -> float:
        """Log of the integral over eta."""
        x, weight = np.polynomial.hermite.hermgauss(POINTS)
        z = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
        log_weight = np.add.outer(np.log(weight), np.log(weight)).reshape(-1) + (z**2).sum(axis=1)
        eta, factor = self.mode()
        factor = WIDER * np.sqrt(2.0) * factor
        return float(logsumexp(self.log(eta + z @ factor.T) + log_weight) + np.log(abs(np.linalg.det(factor))))


def minus_2_log(estimates: Mapping[str, float]) -> float:
    """Of everybody, without n log(2 pi)."""
    by_patient: dict[str, list[Mapping[str, str]]] = {}
    with (DATA / "bauer_mixture.csv").open() as file:
        for row in csv.DictReader(file):
            by_patient.setdefault(row["ID"], []).append(row)
    shares, total = (estimates["p_1"], 1.0 - estimates["p_1"]), 0.0
    for rows in by_patient.values():
        each = []
        for n, share in enumerate(shares, start=1):
            mean = np.array([estimates[f"log_v_{n}"], estimates[f"log_k_{n}"]])
            across = estimates[f"cov_{n}"]
            omega = np.array([[estimates[f"omega2_v_{n}"], across], [across, estimates[f"omega2_k_{n}"]]])
            each.append(np.log(share) + Patient(rows, mean, omega, estimates["var_prop"]).integral())
        total -= 2.0 * float(logsumexp(each))
    return total


if __name__ == "__main__":
    for reference in json.loads((DATA / "bauer_mixture.json").read_text())["references"]:
        found = minus_2_log(reference["estimates"])
        print(f"{reference['method']}: NONMEM prints {reference['ofv']:.4f}, by quadrature {found:.4f}", flush=True)
