"""Means of effects and Omega, in closed form: where effects lie around, and the population that individuals suit best.

In come individuals, drawn or at their modes. Out go typical values, coefficients and Omega (`regression`), and a way to
a minimum from afar (`approach`) that methods by modes and by draws begin with.
"""
