"""Inclusion: every line of a journal can be proven from the root, and no other line can."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from comptroller.office import inclusion
from comptroller.office.inclusion import Tree


def leaves(count: int) -> list[bytes]:
    return [inclusion.leaf(b"line %d" % number) for number in range(count)]


def recursive(hashes: list[bytes]) -> bytes:
    """The root as RFC 9162 defines it, split at the largest power of two below the size."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return inclusion.node(recursive(hashes[:split]), recursive(hashes[split:]))


@given(st.integers(1, 70))
def test_the_root_is_the_one_of_the_standard(size: int) -> None:
    assert Tree(leaves(size)).root == recursive(leaves(size))


def test_the_root_of_nothing_is_the_one_of_the_standard() -> None:
    assert Tree([]).root == hashlib.sha256(b"").digest()


@given(st.data(), st.integers(1, 70))
def test_each_line_leads_to_the_root(data: st.DataObject, size: int) -> None:
    tree, index = Tree(leaves(size)), data.draw(st.integers(0, size - 1))
    path = tree.path(index)
    assert len(path) <= size.bit_length()
    assert inclusion.climb(leaves(size)[index], index, size, path) == tree.root


@given(st.data(), st.integers(1, 40))
def test_another_line_number_path_or_size_does_not(data: st.DataObject, size: int) -> None:
    tree, index = Tree(leaves(size)), data.draw(st.integers(0, size - 1))
    start, path = leaves(size)[index], tree.path(index)
    assert inclusion.climb(inclusion.leaf(b"other"), index, size, path) != tree.root
    assert inclusion.climb(start, index, size, [*path, start]) is None
    if path:
        assert inclusion.climb(start, index, size, path[:-1]) is None
        assert inclusion.climb(start, index, size, [start, *path[1:]]) != tree.root or path[0] == start
    other = data.draw(st.integers(-1, size).filter(lambda other: other != index))
    assert inclusion.climb(start, other, size, path) != tree.root


@given(st.data(), st.integers(1, 40))
def test_several_lines_are_proven_at_once_with_fewer_hashes(data: st.DataObject, size: int) -> None:
    tree, known = Tree(leaves(size)), leaves(size)
    chosen = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    proof = tree.proof(chosen)
    mine = {index: known[index] for index in chosen}
    assert inclusion.climb_all(mine, size, proof) == tree.root
    assert len(proof) <= sum(len(tree.path(index)) for index in chosen)
    changed = data.draw(st.sampled_from(sorted(chosen)))
    assert inclusion.climb_all({**mine, changed: inclusion.leaf(b"other")}, size, proof) != tree.root
    assert inclusion.climb_all(mine, size, [*proof, known[0]]) is None
    if proof:
        assert inclusion.climb_all(mine, size, proof[:-1]) is None


def test_no_lines_and_lines_beyond_the_end_prove_nothing() -> None:
    assert inclusion.climb_all({}, 1, []) is None
    assert inclusion.climb_all({1: leaves(1)[0]}, 1, []) is None
