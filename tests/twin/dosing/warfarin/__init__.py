"""Dosing of warfarin in the 1,000 virtual patients of Augustin et al. 2023 (Front Pharmacol 14:1270443).

Who they really are is a systems model of coagulation, of which those who dose know nothing. Equations and numbers are
those of the article's repository, DavAug/mipd-warfarin on GitHub; each is said beside where it was read there.
"""
