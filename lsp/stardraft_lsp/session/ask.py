"""How an editor asks for a suggestion, beside where: what its request says and its handler has read."""

from collections.abc import Callable

import msgspec

from stardraft_lsp.session.question import Answer


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """How a suggestion is asked for. A selected list entry is text that is not yet in the document.

    can_replace: the editor puts a suggestion in place of what follows the cursor, where it says so.
    """

    invoked: bool
    on_growth: Callable[[Answer], None] | None = None
    selected_text: str | None = None
    selected_span: tuple[int, int] = (0, 0)
    can_replace: bool = True
