"""Which prompt a request gets: layouts, the planner, and what a decode costs here."""
