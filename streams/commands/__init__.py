"""One module per ``dosetwin`` subcommand."""
