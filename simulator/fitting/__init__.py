"""Fitting: the behaviour parameters of a scenario for which the simulated log has the stylised facts of a real one."""
