"""The endpoints: a short handler each, and the list of routes."""
