"""Where the nodes of a graph stand: layers from left to right, crossings kept few, circles borne."""

from collections.abc import Sequence

TALLEST = 40  # nodes in one column; a fuller layer goes on in the next
SWEEPS = 4  # passes of ordering each layer by its neighbours; more change next to nothing


def placed(agents: Sequence[bool], edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Column and row of each node: agents by their distance from those that nobody calls, the others last."""
    depth = _depths(agents, edges)
    last = max((depth[at] for at, agent in enumerate(agents) if agent), default=-1) + 1
    columns: dict[int, list[int]] = {}
    for at, agent in enumerate(agents):
        columns.setdefault(depth[at] if agent else last, []).append(at)
    layers = [columns[column] for column in sorted(columns)]
    _untangle(layers, edges)
    tall = [part for layer in layers for part in _parts(layer)]
    spots = [(0, 0)] * len(agents)
    for column, layer in enumerate(tall):
        for row, at in enumerate(layer):
            spots[at] = (column, row)
    return spots


def _depths(agents: Sequence[bool], edges: Sequence[tuple[int, int]]) -> list[int]:
    """By the shortest way, agents alone: agents that call each other in a circle get places all the same."""
    called: dict[int, list[int]] = {}
    for source, target in edges:
        if source != target and agents[source] and agents[target]:
            called.setdefault(source, []).append(target)
    targets = {target for those in called.values() for target in those}
    depth = [-1] * len(agents)
    starts = [at for at, agent in enumerate(agents) if agent and at not in targets]
    # Those of a circle that nothing outside leads into begin it with whoever comes first.
    for start in (starts, *([at] for at, agent in enumerate(agents) if agent)):
        _spread([at for at in start if depth[at] < 0], called, depth)
    return depth


def _spread(begin: list[int], called: dict[int, list[int]], depth: list[int]) -> None:
    for at in begin:
        depth[at] = 0
    while begin:
        following = []
        for at in begin:
            for target in called.get(at, ()):
                if depth[target] < 0:
                    depth[target] = depth[at] + 1
                    following.append(target)
        begin = following


def _untangle(layers: list[list[int]], edges: Sequence[tuple[int, int]]) -> None:
    """Stand each node near the middle of its neighbours, back and forth."""
    beside: dict[int, list[int]] = {}
    for source, target in edges:
        beside.setdefault(source, []).append(target)
        beside.setdefault(target, []).append(source)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            spot = {at: row / max(len(those), 1) for those in layers for row, at in enumerate(those)}
            layer.sort(key=lambda at: _middle(beside.get(at, ()), spot, spot[at]))


def _middle(neighbours: Sequence[int], spot: dict[int, float], own: float) -> float:
    return sum(spot[at] for at in neighbours) / len(neighbours) if neighbours else own


def _parts(layer: list[int]) -> list[list[int]]:
    return [layer[at : at + TALLEST] for at in range(0, len(layer), TALLEST)]
