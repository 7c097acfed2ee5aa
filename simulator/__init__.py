"""The loop that joins users and recommenders; randomness, scenarios, measures, reports, and the command."""
