"""The Faust worker around the twins, and the command line that starts everything."""
