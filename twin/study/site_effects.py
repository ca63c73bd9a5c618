"""Effects of patients who are made up, in sites that differ: those of one site share what is drawn for it.

    eta = L z + E L_isv z_site,      L L' = Omega among the patients of a site,      z, z_site standard normal,

z_site being the same for all patients of a study who have one value of the site's covariate. Who has its reference's is
alone, eta = L_alone z with L_alone L_alone' = Omega + E Omega_isv E', as is everybody of a model without sites.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.arrays import Floats
from twin.model.spec import Model
from twin.randomness import generator


def shared_effects(model: Model, covariates: Mapping[str, float], study: object) -> Floats | None:
    """What the site of a patient adds to the effects (d,), the same in all of a ``study``; ``None`` of one alone."""
    if model.sites is None:
        return None
    name = model.sites.covariate
    value = covariates[name]
    if value == next(one.reference for one in model.covariates if one.name == name):
        return None
    drawn = generator(model.id, study, "site", float(value)).standard_normal(len(model.isv_names))
    found = np.zeros(len(model.eta_names))
    found[list(model.site_columns)] = np.linalg.cholesky(model.omega_isv) @ drawn
    return found


def effects_of(model: Model, standard: Floats, covariates: Mapping[str, float], study: object) -> dict[str, float]:
    """Effects of a patient by the parameter that each is of, of standard normal draws (d,)."""
    shared = shared_effects(model, covariates, study)
    if shared is None:
        found = np.linalg.cholesky(model.omega) @ standard
    else:
        found = np.linalg.cholesky(model.omega_iiv) @ standard + shared
    return dict(zip(model.eta_names, found.tolist(), strict=True))


def moved_to_site(
    model: Model,
    eta: Mapping[str, float],
    of: Mapping[str, float],
    to: Mapping[str, float],
    studies: tuple[object, object],
) -> dict[str, float]:
    """Effects ``eta`` of a patient who was drawn with covariates ``of``, as they are with covariates ``to``: the same
    standard draws, in another site; ``studies`` are those of either."""
    found = np.array([eta[name] for name in model.eta_names])
    shared = shared_effects(model, of, studies[0])
    factor = np.linalg.cholesky(model.omega if shared is None else model.omega_iiv)
    standard = np.linalg.solve(factor, found if shared is None else found - shared)
    return effects_of(model, standard, to, studies[1])
