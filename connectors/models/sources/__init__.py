"""Languages that models are published in, one module each; all end in `connectors.models.source.Source`."""
