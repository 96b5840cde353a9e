"""With which words and signs each language opens, goes on with and ends its blocks: data."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Words:
    """One language.

    header_words: words that begin a line which opens a block, where a `:` or a keyword does that.
    block_words: words at whose end a line opens a block (`then`, `do`).
    enders: what ends a statement for good.
    closing_words: words that close a block.
    continuing_words: words that go on with the statement whose block has just ended.
    finished_words: a line that is one of these needs nothing more.
    arrows: what stands before a body that may be an expression.
    has_braces: blocks have braces. is_indented: indentation alone ends a block.
    opens_by_header: a header word opens one, without any sign.
    has_directives: lines with `#` at their beginning belong to the preprocessor, wherever they stand.
    has_labels: `name:` is a place to jump to, and may stand further out than its block.
    has_tags: a line that is nothing but a tag's beginning opens what the tag holds.
    has_items: the items of a list (`- a`) may stand as far in as its key.
    """

    header_words: frozenset[str] = frozenset()
    block_words: frozenset[str] = frozenset()
    enders: tuple[str, ...] = ()
    closing_words: frozenset[str] = frozenset()
    continuing_words: frozenset[str] = frozenset()
    finished_words: frozenset[str] = frozenset()
    arrows: tuple[str, ...] = ()
    has_braces: bool = True
    is_indented: bool = False
    opens_by_header: bool = False
    has_directives: bool = False
    has_labels: bool = False
    has_tags: bool = False
    has_items: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that languages have of their own: names that nobody chose.
KEYWORDS = _words(
    """
    False None True abstract and as assert async await begin bool break case catch chan char class
    const continue crate def default defer del delete do double dyn echo elif else elsif end enum
    except export extends extern false final finally float fn for foreach from fun func function
    global go goto if impl implements import in include inline instanceof int interface is lambda
    let local long loop match mod module move mut namespace native new nil nonlocal not null or
    override package pass print private protected pub public raise ref register require return
    select self signed sizeof static str string struct super switch synchronized this throw throws
    trait transient true try type typeof undefined union unless unsafe unsigned until use using val
    var void volatile when where while with yield
    """
)

_C_GOES_ON = _words("else catch finally while")
_FINISHED = _words("break continue")
_ARROW = ("=>",)


def _braces(
    goes_on: str = "else catch finally while",
    *,
    finished: frozenset[str] = _FINISHED,
    headers: str = "case default",
    arrows: tuple[str, ...] = (),
    enders: tuple[str, ...] = (";",),
    has_directives: bool = False,
    has_labels: bool = False,
) -> Words:
    return Words(
        header_words=_words(headers),
        enders=enders,
        continuing_words=_words(goes_on),
        finished_words=finished,
        arrows=arrows,
        has_directives=has_directives,
        has_labels=has_labels,
    )


_SCRIPT = _braces(arrows=_ARROW)
_TAGS = Words(has_tags=True)
_C = _braces("else while", has_directives=True, has_labels=True)
_C_LIKE = _braces(arrows=("->", "=>"), enders=())
_SEMICOLONS = Words(enders=(";",))
_INDENTED = Words(is_indented=True, has_braces=False)

WORDS: dict[str, Words] = {
    "python": Words(
        header_words=_words("if elif else for while with try except finally def class async match case"),
        continuing_words=_words("elif else except finally case"),
        finished_words=_words("break continue pass"),
        has_braces=False,
        is_indented=True,
    ),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": _braces("else", finished=_words("break continue fallthrough"), enders=()),
    "rust": _braces("else", headers="", arrows=_ARROW),
    "java": _braces(arrows=("->", "=>")),
    "c": _C,
    "cpp": _braces(
        "else while catch",
        headers="case default public private protected",
        has_directives=True,
        has_labels=True,
    ),
    "objective-c": _C,
    "csharp": _braces(arrows=_ARROW, has_directives=True, has_labels=True),
    "ruby": Words(
        has_braces=False,
        opens_by_header=True,
        header_words=_words(
            "def class module if unless while until for case when begin else elsif rescue ensure"
        ),
        block_words=_words("do then begin else ensure"),
        closing_words=_words("end"),
        continuing_words=_words("else elsif when rescue ensure in"),
        finished_words=_words("end break next redo retry"),
    ),
    "php": replace(
        _braces("else elseif catch finally while", arrows=_ARROW),
        closing_words=_words("endif endforeach endfor endwhile endswitch"),
    ),
    "lua": Words(
        has_braces=False,
        header_words=_words("function"),
        block_words=_words("do then else repeat"),
        closing_words=_words("end until"),
        continuing_words=_words("else elseif"),
        finished_words=_words("end break"),
    ),
    "shell": Words(
        has_braces=False,
        block_words=_words("do then else in"),
        enders=(";;",),
        closing_words=_words("fi done esac"),
        continuing_words=_words("else elif"),
        finished_words=_words("fi done esac break continue"),
    ),
    "kotlin": _C_LIKE,
    "swift": _C_LIKE,
    "scala": _C_LIKE,
    "dart": _C_LIKE,
    "groovy": _C_LIKE,
    "zig": _SEMICOLONS,
    "css": _SEMICOLONS,
    "scss": _SEMICOLONS,
    "sql": _SEMICOLONS,
    "perl": Words(enders=(";",), continuing_words=_words("else elsif continue")),
    "haskell": Words(is_indented=True),
    "elixir": Words(
        has_braces=False,
        block_words=_words("do else"),
        closing_words=_words("end"),
        continuing_words=_words("else rescue catch after"),
        finished_words=_words("end"),
    ),
    "julia": Words(
        header_words=_words("function struct if for while begin let module else elseif"),
        opens_by_header=True,
        closing_words=_words("end"),
        continuing_words=_words("else elseif catch finally"),
        finished_words=_words("end break continue"),
    ),
    "yaml": replace(_INDENTED, has_items=True),
    "html": _TAGS,
    "xml": _TAGS,
    "vue": _TAGS,
    "svelte": _TAGS,
    "coffeescript": Words(
        is_indented=True, has_braces=False, arrows=("->", "=>"), continuing_words=_words("else catch finally")
    ),
    "makefile": Words(
        has_braces=False,
        header_words=_words("ifdef ifndef ifeq ifneq else define"),
        closing_words=_words("endif endef"),
        continuing_words=_words("else"),
    ),
}
# Of a language that is not known: the words that most have.
UNKNOWN = Words(
    closing_words=_words(
        "end fi done esac End END Next Loop Wend endif endfor endwhile endforeach endfunction endswitch "
        "endmodule endcase endtask endclass"
    ),
    continuing_words=_words(
        "else elif elsif elseif except finally rescue ensure catch Else ElseIf Case Catch Finally"
    ),
    block_words=_words("do then"),
    arrows=("=>", "->"),
)
_NONE = Words()


def words_of(language: str) -> Words:
    """The words of a language as `names.language_of` names it; none for one that is not known."""
    return WORDS.get(language, _NONE)
