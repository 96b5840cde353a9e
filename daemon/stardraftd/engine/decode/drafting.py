"""Who guesses: prompt lookup always; a small model beside a large one where its tokens are the same."""

from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.decode.speculation import Drafter, PromptLookup
from stardraftd.engine.native.loading import LoadedModel
from stardraftd.protocol.engine import EngineSettings


def drafters(loaded: LoadedModel, settings: EngineSettings) -> tuple[Drafter, ...]:
    """The sources of guesses for a model, the cheapest first.

    None when speculation is off, or when wrong guesses could not be taken back from the cache.
    """
    if settings.speculation == "off" or not loaded.context.can_cut:
        return ()
    found: list[Drafter] = [PromptLookup()]
    if settings.draft_path:
        draft = DraftModel.beside(loaded, settings.draft_path)
        if draft is not None:
            found.append(draft)
    return tuple(found)
