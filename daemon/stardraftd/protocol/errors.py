"""An error on its way to another process, and back: where one becomes data, and an exception again."""

from typing import Self

from msgspec import Struct

from stardraftd.errors import StardraftError, error_from_code


class ErrorMessage(Struct, frozen=True):
    """The base of all messages that tell of an error; `code` says which class it is there."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: StardraftError) -> Self:
        return cls(error.code, error.message, error.hint)

    def exception(self) -> StardraftError:
        """The error as an exception again, marked as told by another process."""
        return error_from_code(self.code, self.message, self.hint)
