"""Words that programming languages have of their own: names that nobody chose."""

_WORDS = """
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
KEYWORDS = frozenset(_WORDS.split())
