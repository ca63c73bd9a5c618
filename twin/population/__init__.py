"""Many patients at once: what their data say of the population that they come from.

In come the timelines of many patients and a model. Out go the numbers of its population that suit them, with what is
known of each patient on the way: mode, covariance, objective and score.

How to stand on it
------------------
`theta.Theta.of(model, fixed)` says which numbers of a model are free, and makes a vector of a `values.Population` and
back (``pack``, ``unpack``; by name ``names``, ``natural``, ``population``; slopes of Omega ``omega_slopes``). Numbers
of the population are arguments of compiled code (`twin.kernel.free`): nothing is compiled while they move.

`cohort.Cohort(kernel, step_sizes, timelines, theta)` holds everybody, prepared. Its unknowns are rows z = (eta, kappa
of each occasion, what each step of a drift adds, shifts), the same columns for all; ``rows`` and ``predictions`` solve
for any number of points of any patients, ``population.place`` being the typical values. A sampler that needs log p(y |
eta) of many draws gives them as points: ``predictions(which, z[:, draws, :], place)``, for everybody in one call.

`population.prior(cohort.parts)` is the law of the D effects; `modes.descend` finds modes, of any objective that
says U, its gradient, H and U''. `objective.Objective(cohort, method)` is FOCE-I and FOCE: an `Evaluation` has per
patient the objective, mode, covariance (a proposal), score and the mode's derivative, and is handed to the next call,
so that modes are found from where they were. `residuals.terms` are the derivatives of a normal residual.

`importance.density.Density` is log p(y | eta) of any kind of value for any draws; `importance.sampled.Sample` is a
likelihood by importance sampling with its score, and `importance.climbing.climb` goes to its maximum, as
`sampling.saem.settle` does with draws that walk (`sampling.chains.Chains`).

`prior.Prior` is what is known of the numbers before: `Theta.with_prior` takes it along, `Theta.penalty(vector)` is what
it adds to -2 log likelihood, with gradient and curvature, and `Evaluation.total` and `Likelihood.total` have it in
them.
"""
