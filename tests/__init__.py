"""The house once more, held against real servers; before anything numerical is loaded: by one thread, as commands."""

from streams.terminal.one_thread import by_one_thread

by_one_thread()
