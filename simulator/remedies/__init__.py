"""Remedies for a narrowing recommender: what each brings and costs in several worlds, which dominates which, and whether that
survives other assumptions about people.

Several objectives that pull apart are judged by what is not dominated (Pareto; Ribeiro et al. 2012, RecSys, "Pareto-efficient
hybridization for multi-objective recommender systems"); that an answer should be looked at under other models of people is
robustness analysis, as in `simulator.assumptions`. Nothing is played here: a sweep with a section `remedies` leaves the tables.
"""

from __future__ import annotations

from simulator.remedies.report import write_remedies_report

__all__ = ["write_remedies_report"]
