"""Patients of classes that nobody sees.

In come what each patient's values say in every class, and the shares of the classes. Out go the likelihood of each
patient whatever the class, and how probable each class is.
"""
