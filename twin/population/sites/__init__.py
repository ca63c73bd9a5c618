"""Sites whose patients are alike, a level above the patient.

In come patients of whom a characteristic tells the site, and the covariance of the effects that patients of a site
share. Out go the objective of first-order conditional estimation over the joint effects of each site and its patients,
and the likelihood itself with the sites' effects integrated over.
"""
