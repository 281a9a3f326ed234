"""Every row of the fault table names tests that are there."""

import ast
import re
from pathlib import Path

HOME = Path(__file__).parents[1]


def defined_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_of_the_fault_table_is_a_test() -> None:
    rows = [line for line in (HOME / "docs/faults.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`([\w/.]*)::(\w+)`", row)
        assert named, row
        file = ""
        for path, name in named:
            file = path or file
            assert name in defined_in(HOME / file), name
