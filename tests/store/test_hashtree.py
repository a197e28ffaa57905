"""The tree kept beside the journal: the same as over all lines at once, also where it was kept, cut or is stale."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.settings import Settings
from comptroller.office.inclusion import Tree, climb, climb_all, leaf
from comptroller.store import hashtree, journal, segment
from comptroller.store.hashtree import BLOCK, HashTree, Stale
from comptroller.store.ledger import Ledger

ALL = 1 << 62
BODY = b'"k":"claim","i":"%032x","t":1,"r":"","c":"","d":{}'


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    Ledger.open(path, Settings(), FrozenClock()).close()
    segment.path_of(path, 1).unlink()
    return path


def write(ledger: Path, count: int, number: int = 1, salt: int = 0) -> list[bytes]:
    """So many records in a segment, after those that are there; returns their lines."""
    at = journal.begin(ledger)
    assert at is not None
    for place, _ in journal.walk(ledger, at):
        at = place
    sequence, chain, lines = at.sequence, at.chain, []
    for _ in range(count):
        sequence += 1
        stored, chain = segment.line(sequence, chain, BODY % (sequence + salt))
        lines.append(stored)
    with segment.path_of(ledger, number).open("ab") as file:
        file.write(b"".join(lines))
    return [stored[:-1] for stored in lines]


def grown(ledger: Path) -> HashTree:
    tree = HashTree.open(ledger)
    assert tree is not None
    assert tree.grow(ALL)
    return tree


def same(tree: HashTree, lines: Sequence[bytes]) -> None:
    """It is the tree over these lines, and proves each that is near an edge, and several at once."""
    whole, size = Tree([leaf(line) for line in lines]), len(lines)
    assert (tree.size, tree.root) == (size, whole.root)
    edges = {place for near in (0, BLOCK, 2 * BLOCK, size) for place in range(near - 2, near + 2) if 0 <= place < size}
    for index in edges:
        assert tree.path(index) == whole.path(index)
        assert climb(leaf(lines[index]), index, size, tree.path(index)) == tree.root
    if edges:
        assert tree.proof(edges) == whole.proof(edges)
        assert climb_all({index: leaf(lines[index]) for index in edges}, size, tree.proof(edges)) == tree.root


@pytest.mark.parametrize("size", [1, 2, 3, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK + 5])
def test_it_is_the_tree_over_all_lines(ledger: Path, size: int) -> None:
    lines = write(ledger, size)
    same(grown(ledger), lines)


def test_the_root_of_nothing_is_the_one_of_the_standard(ledger: Path) -> None:
    assert grown(ledger).root == hashlib.sha256(b"").digest()


def test_there_is_none_where_there_is_no_ledger(tmp_path: Path) -> None:
    assert HashTree.open(tmp_path) is None


def test_it_goes_on_from_what_was_kept_and_through_segments(ledger: Path) -> None:
    lines = write(ledger, 2 * BLOCK + 7)
    tree = grown(ledger)
    tree.save()
    lines += write(ledger, BLOCK, number=2)
    kept = HashTree.open(ledger)
    assert kept is not None
    assert kept.size == 2 * BLOCK
    for each in (kept, tree):
        assert each.grow(ALL)
        each.save()
        same(each, lines)
    same(grown(ledger), lines)


def test_it_says_that_there_is_more(ledger: Path) -> None:
    write(ledger, 10)
    tree = HashTree.open(ledger)
    assert tree is not None
    assert [tree.grow(4), tree.size, tree.grow(4), tree.grow(4), tree.size] == [False, 4, False, True, 10]


@pytest.mark.parametrize("left", [0, 10, 60, 100, 170])
def test_a_file_that_was_cut_short_is_used_as_far_as_it_is_whole(ledger: Path, left: int) -> None:
    lines = write(ledger, 2 * BLOCK)
    grown(ledger).save()
    path = ledger / hashtree.FILE
    path.write_bytes(path.read_bytes()[:left])
    tree = grown(ledger)
    tree.save()
    same(tree, lines)
    same(grown(ledger), lines)


def test_what_was_kept_of_another_journal_is_left_alone(ledger: Path) -> None:
    write(ledger, 2 * BLOCK)
    tree = grown(ledger)
    tree.save()
    segment.path_of(ledger, 1).unlink()
    lines = write(ledger, 2 * BLOCK + 1, salt=1)
    same(grown(ledger), lines)
    assert tree.grow(ALL)
    same(tree, lines)


def test_a_block_that_is_not_of_its_lines_proves_nothing(ledger: Path) -> None:
    write(ledger, 2 * BLOCK)
    grown(ledger).save()
    path = ledger / hashtree.FILE
    data = bytearray(path.read_bytes())
    data[-2 * 76] ^= 1  # the hash of the first block
    path.write_bytes(data)
    with pytest.raises(Stale):
        grown(ledger).path(0)


def test_a_line_that_was_changed_is_noticed(ledger: Path) -> None:
    lines = write(ledger, 2 * BLOCK)
    tree = grown(ledger)
    path = segment.path_of(ledger, 1)
    path.write_bytes(path.read_bytes().replace(lines[5], lines[5].replace(b'"t":1', b'"t":2')))
    with pytest.raises(journal.Broken):
        tree.path(5)
    assert tree.path(BLOCK)
