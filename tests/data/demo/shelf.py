"""A small lending shelf: what stands on it, who has what, and what is due back."""

from dataclasses import dataclass, field
from datetime import date, timedelta

LOAN_DAYS = 21


@dataclass
class Item:
    """A thing that can be lent: a book, a record, a board game."""

    name: str
    kind: str = "book"
    borrower: str | None = None
    due: date | None = None

    def is_lent(self) -> bool:
        return self.borrower is not None


@dataclass
class Shelf:
    """Items by their number. A number, once given, is never given again."""

    items: dict[int, Item] = field(default_factory=dict)
    next_number: int = 1

    def add(self, item: Item) -> int:
        number = self.next_number
        self.items[number] = item
        self.next_number += 1
        return number

    def lend(self, number: int, borrower: str, today: date) -> Item:
        item = self.items[number]
        if item.is_lent():
            raise ValueError(f"{item.name} is lent to {item.borrower}")
        item.borrower = borrower
        item.due = today + timedelta(days=LOAN_DAYS)
        return item

    def take_back(self, number: int) -> Item:
        item = self.items[number]
        item.borrower = None
        item.due = None
        return item

    def find(self, word: str) -> list[Item]:
        word = word.lower()
        return [item for item in self.items.values() if word in item.name.lower()]

    def overdue(self, today: date) -> list[Item]:
        return


def overview(shelf: Shelf, today: date) -> str:
    late = len(shelf.overdue(today))
    lent = sum(item.is_lent() for item in shelf.items.values())
    return f"{len(shelf.items)} items, {lent} lent, {late} overdue"
