"""The names that models used before these functions had a module of their own."""

from stardraftd.atomic import now, write_json, write_whole

__all__ = ["now", "write_json", "write_whole"]
