"""A kind of user for own_user.yaml, which docs/individuals.md explains."""

from dataclasses import dataclass

from agents.individual import Individual, Offer


@dataclass
class Wanderer(Individual):
    """Users who take what appeals to them most, and tire of more of the same."""

    boredom: float = 0.5
    """How much less an item is worth to her if all that she took lately was of its topic."""

    def choose(self, menu: list[Offer]) -> Offer | None:
        lately = [self.item(number).topic for number in self.memory[-5:]]

        def appeal(offer: Offer) -> float:
            return offer.utility - self.boredom * lately.count(offer.topic) / 5 + 0.1 * self.luck(offer)

        best = max(menu, key=appeal)
        return best if appeal(best) > 0.3 else None
