"""Model files as text of other programs, one a module: what those cannot say is refused or listed at the head."""
