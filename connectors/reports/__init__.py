"""Pages and plots for people: model cards and validation, each one file that needs nothing from elsewhere."""
