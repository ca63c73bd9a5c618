"""One module per outside system: topics, feeds in, sinks out, services. Nothing here knows how a twin thinks."""
