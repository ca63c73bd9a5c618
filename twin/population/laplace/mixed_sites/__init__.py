"""Objectives of sites whose patients are of classes that nobody sees.

In come a cohort with sites and classes, and a vector. Out goes an evaluation as of any objective: given the effects of
a site each patient is weighed in every class, as without sites, and these effects are integrated over the product of
the patients' sums. How modes, probabilities of classes and effects of sites follow whatever moves is one linear system
a site.
"""
