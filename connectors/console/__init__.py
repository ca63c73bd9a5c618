"""The web console: the ward and its twins, live in a browser."""
