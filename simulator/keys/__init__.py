"""The keys of a scenario, a module for each of its sections; `conflicts` says which do not go together."""
