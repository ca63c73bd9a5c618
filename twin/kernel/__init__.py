"""A model as machine code.

In comes a `twin.model.spec.Model`. Out goes a `kernel.Kernel`: functions compiled by Numba from generated source, kept
on disk, that carry many particles through a schedule of steps.
"""
