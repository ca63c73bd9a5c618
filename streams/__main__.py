"""``python -m streams`` is the ``dosetwin`` command."""

from streams.cli import main

main()
