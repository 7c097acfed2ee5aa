"""The world: users, items, how users find, choose and change. Knows the truth; knows no recommender."""
