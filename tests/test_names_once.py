"""One name, one thing: no public class, function or constant of the library is defined twice."""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import etapromise

SOURCES = Path(etapromise.__file__).parent


def defined_in(path):
    """Names of top-level classes, functions and constants of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name))


def test_no_public_name_is_defined_twice():
    where = defaultdict(set)
    for path in sorted(SOURCES.rglob("*.py")):
        for name in defined_in(path):
            if not name.startswith("_"):
                where[name].add(path.relative_to(SOURCES).as_posix())
    twice = {name: sorted(files) for name, files in where.items() if len(files) > 1}
    assert twice == {}


def test_every_private_name_is_used():
    unused = {}
    for path in sorted(SOURCES.rglob("*.py")):
        words = Counter(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        private = [name for name in defined_in(path) if re.match(r"_[^_]", name)]
        alone = [name for name in private if words[name] == 1]
        if alone:
            unused[path.relative_to(SOURCES).as_posix()] = alone
    assert unused == {}
