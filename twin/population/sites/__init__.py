"""Sites whose patients are alike, a level above the patient: who is of which, and the algebra of one with its patients.

In come patients of whom a characteristic tells the site. Out go numbers of sites, the matrix that the effects of a site
and of its patients make together (`arrow.Arrow`), and nodes to integrate the effects of a site by (`nodes`), which the
objectives (`twin.population.laplace.site_objective`), the likelihood by draws
(`twin.population.importance.site_integral`) and samplers share.
"""
