"""Published results, replicated: a scenario file with claims in; what is measured beside what was published out."""
