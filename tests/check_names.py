"""Check that functions are named by what they do: `python tests/check_names.py [FOLDER ...]`.

A function is a verb with a noun (`read_header`), a predicate (`is_ready`), a conversion (`to_mono`,
`from_row`, `as_json`, `with_fields`) or the noun of the value that it gives (`chroma_frames`). A
participle, an adjective or a preposition says what became of something, and not what happens.
Properties and dunder methods are values, and not checked.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = ("src",)


def split_words(text: str) -> frozenset[str]:
    """Words of a text."""
    return frozenset(text.split())


VERBS_IN_ED = frozenset({"embed", "feed", "need", "seed", "proceed", "exceed", "speed"})
PARTICIPLES = split_words(
    "beaten begun bent bound broken built cut done drawn driven fallen felt found frozen given gone"
    " grown heard held hidden kept known laid learnt led left lent lost made meant met paid"
    " put_aside said seen sent shown shut sold spent spoken spoilt stolen taken taught thought told"
    " took torn understood unknown woken won worn written overridden"
)
ADJECTIVES = split_words(
    "absolute accelerated again all alone apart aware bad bare both broken busy cheap counted"
    " decisive double each earlier enough equal expected expendable extra fast fastest final"
    " finite first fresh full fully gone here hidden incoming invalid last legal likely long"
    " longer longest many mine missing mono new noisy none normal nothing now official old"
    " other outermost plain positive possible public quiet rare ready real right running safe"
    " same short silent slow soft some someone steady sure those true unchanged undone unedited"
    " unexpected unmixed unpublished unreachable unreadable unsaid unsatisfiable unusable unwanted"
    " usable usual valid whole wholes writable wrong readable showable plausible sendable"
)
PREPOSITIONS = split_words(
    "about above after at before below beside between by for in into of off on out over past since"
    " through under until within without no not why"
)
ADVERBS = split_words("again aside away back elsewhere here now soon there")
NOUNS_IN_ING = frozenset({"ping", "string"})
EXCEPTIONS = {
    "normalized": "`Track.normalized` is public API",
    "process_bind_param": "SQLAlchemy's hook",
    "process_result_value": "SQLAlchemy's hook",
    "writable": "the method of `io.RawIOBase`",
}


def find_misnamed(path: Path) -> Iterator[tuple[int, str, str]]:
    """Functions of a file whose first word is no verb: (line, name, why)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_value(node):
            continue
        words = node.name.strip("_").split("_")
        reason = find_fault(words)
        if reason and node.name.strip("_") not in EXCEPTIONS:
            yield node.lineno, node.name, reason


def find_fault(words: list[str]) -> str | None:
    """What is wrong with a function's name, or None.

    An adjective or a participle before a noun names a value (`usable_cores`), and may.
    """
    first, bare = words[0], len(words) == 1 or words[1] in PREPOSITIONS | ADVERBS
    if bare and (first in PARTICIPLES or (first.endswith("ed") and first not in VERBS_IN_ED)):
        return "is a bare participle"
    if bare and first.endswith("ing") and first not in NOUNS_IN_ING:
        return "is a bare participle"
    if bare and first in ADJECTIVES:
        return "is a bare adjective"
    if first in PREPOSITIONS:
        return "begins with a preposition"
    return None


def main(folders: list[str]) -> int:
    """Print what is misnamed below folders; the exit status."""
    found = 0
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py")):
            for line, name, reason in find_misnamed(path):
                print(f"{path}:{line}: {name} {reason}")
                found += 1
    return 1 if found else 0


def _is_value(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"property", "cached_property", "setter", "overload"}) or (
        node.name.startswith("__") and node.name.endswith("__")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(SOURCES)))
