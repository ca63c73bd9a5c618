"""``python -m streams`` is the ``dosetwin`` command."""

from streams.command import main

main()
