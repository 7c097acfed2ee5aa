import pandas as pd
import pytest

from simulator.measures import derive


def table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["arm", "replicate", "round", "measure", "value"])


RUNS = table(
    [
        ("mf", 0, 1, "consumption.mean_jaccard", 0.5),
        ("mf", 0, 2, "consumption.mean_jaccard", 0.7),
        ("mf", 1, 1, "consumption.mean_jaccard", 0.4),
        ("ideal", 0, 1, "consumption.mean_jaccard", 0.2),
        ("ideal", 1, 1, "consumption.mean_jaccard", 0.6),
        ("mf", 0, 1, "utility.per_user", 3.0),
        ("mf", 1, 1, "utility.per_user", 3.0),
        ("ideal", 0, 1, "utility.per_user", 4.0),
        ("ideal", 1, 1, "utility.per_user", 0.0),
        ("mf", 0, 1, "utility.mean", 9.0),
    ]
)


def test_arms_are_compared_with_the_oracle_of_the_same_replicate_and_round() -> None:
    extra = derive(RUNS, "ideal")
    assert list(extra.columns) == list(RUNS.columns)
    values = {tuple(row[:4]): row[4] for row in extra.itertuples(index=False)}
    assert values == pytest.approx(
        {
            ("mf", 0, 1, "consumption.homogenisation_vs_ideal"): 0.3,
            ("mf", 1, 1, "consumption.homogenisation_vs_ideal"): -0.2,
            ("ideal", 0, 1, "consumption.homogenisation_vs_ideal"): 0.0,
            ("ideal", 1, 1, "consumption.homogenisation_vs_ideal"): 0.0,
            ("mf", 0, 1, "utility.relative"): 0.75,  # none in replicate 1: the oracle's is 0
            ("ideal", 0, 1, "utility.relative"): 1.0,
        }
    )


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="no arm named 'oracle'; the arms are 'mf', 'ideal'"):
        derive(RUNS, "oracle")
    with pytest.raises(ValueError, match="columns missing: value"):
        derive(RUNS.drop(columns="value"), "ideal")
    with pytest.raises(pd.errors.MergeError):
        derive(pd.concat([RUNS, RUNS]), "ideal")


def test_without_the_base_measures_there_is_nothing_to_derive() -> None:
    assert derive(RUNS[RUNS["measure"] == "utility.mean"], "mf").empty


def test_amplification_is_what_is_shown_over_what_is_taken_without_a_recommender() -> None:
    runs = table(
        [
            ("mf", 0, 1, "exposure.topic_share", 0.6),
            ("mf", 0, 1, "consumption.topic_share", 0.9),
            ("mf", 1, 1, "exposure.topic_share", 0.6),
            ("alone", 0, 1, "consumption.topic_share", 0.2),
            ("alone", 1, 1, "consumption.topic_share", 0.0),
        ]
    )
    extra = derive(runs, organic="alone")
    assert extra.to_numpy().tolist() == [["mf", 0, 1, "exposure.amplification", pytest.approx(3.0)]]
    assert derive(runs).empty
