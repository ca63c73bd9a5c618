"""The page of a fit: what its search did, what it found and how certain that is, and how it agrees with the data.

In come what `fit.json` says and `twin.population.diagnostics`. Out go one HTML page that asks nothing of anyone, and
its tables as CSV.
"""
