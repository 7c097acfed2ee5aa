"""Studies: predictions fixed before anything is run, in a scenario file; a table of answers, figures and a page out."""
