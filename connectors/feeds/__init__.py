"""Feeds: each turns one outside source into typed events on the input topics."""
