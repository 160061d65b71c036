"""Edge types by the names that people give them: tuples, lists out of YAML, pairs of node types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from colisten.errors import GraphError
from colisten.words import advice, shown


def edge_type_of(given: Any, known: Collection[Any]) -> Any:
    """The known edge type that is meant.

    As in PyG: all its parts, as a tuple, a list or joined by `__`; its two node types or its
    relation's name alone, where no other type has the same.

    Raises:
        GraphError: None or several are meant; the message names the nearest.
    """
    parts = _parts(given)
    if parts in known:
        return parts
    triples = [each for each in known if len(each) == 3]
    matches = [each for each in triples if each[1] == given]
    if not matches and parts is not None and len(parts) == 2:
        matches = [each for each in triples if (each[0], each[-1]) == parts]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise GraphError(f"{shown(given)} may be any of {matches}.", "Name all three parts.")
    if set(known) == {HOMOGENEOUS}:
        raise GraphError(
            f"Homogeneous data has no edge type {shown(given)}.",
            "Give edge_label_index as [2, num_pairs], or None for all edges.",
        )
    meant = given if parts is None else parts
    raise GraphError(f"There is no edge type {shown(given)}.", advice(meant, list(known)))


def names_edge_type(given: Any) -> bool:
    """Whether `given` reads as the name of one edge type."""
    return _parts(given) is not None


def by_edge_type(given: Mapping[Any, Any], known: Collection[Any]) -> dict[Any, Any]:
    """A mapping with the known edge types in place of the names it was given with.

    Raises:
        GraphError: A name is unknown, or two mean the same.
    """
    return _distinct((edge_type_of(name, known), value) for name, value in given.items())


def _distinct(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    distinct: dict[Any, Any] = {}
    for name, value in pairs:
        if name in distinct:
            raise GraphError(f"Edge type {name} is named twice.", "Name it once.")
        distinct[name] = value
    return distinct


def supervised_types(given: Any, known: Collection[Any]) -> dict[Any, Any]:
    """What `edge_label_index` names: pairs by edge type, None for those the data holds.

    Takes a mapping of edge types to pairs or None, one edge type, several of them, PyG's (edge
    type, pairs) or several of those, and, where the graph has one edge type alone, bare pairs.

    Raises:
        GraphError: Nothing is named, a name is unknown or comes twice, or pairs have no name.
    """
    if isinstance(given, Iterable) and not isinstance(given, str | tuple | list | Mapping):
        # A set or dict.keys(); tensors and arrays are pairs.
        given = given if hasattr(given, "shape") else list(given)
    types = list(known)
    ask = f"Name them in edge_label_index, out of {types}."
    alone = types[0] if len(types) == 1 else None
    if given is None and alone is not None and alone == HOMOGENEOUS:
        return {alone: None}
    if isinstance(given, Mapping):
        named = by_edge_type(given, known)
    elif given is None or (isinstance(given, str | tuple | list) and not len(given)):
        named = {}
    elif _is_type(given, known):
        named = {edge_type_of(given, known): None}
    elif not isinstance(given, tuple | list) or _is_numbers(given):
        if alone is None:
            raise GraphError(f"These pairs are of no edge type: {shown(given)}.", ask)
        named = {alone: given}
    elif _is_pair(given):
        named = {edge_type_of(given[0], known): given[1]}
    else:
        named = _distinct(
            (edge_type_of(each[0], known), each[1])
            if _is_pair(each)
            else (edge_type_of(each, known), None)
            for each in given
        )
    if not named:
        raise GraphError("Which edge types are supervised?", ask)
    return named


def reverse_types(
    given: Any, supervised: Collection[Any], known: Collection[Any]
) -> dict[Any, Any]:
    """What `rev_edge_types` names: the reverse edge type by supervised one.

    Takes a mapping, one edge type where one is supervised, or, as `RandomLinkSplit`, a list with
    one or None for each.

    Raises:
        GraphError: A name is unknown, of no supervised type, or does not run the other way.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        many = [given] if names_edge_type(given) else given
        if not isinstance(many, tuple | list) or len(many) != len(supervised):
            raise GraphError(
                f"rev_edge_types must name the reverse of each of {list(supervised)}, "
                f"not {shown(given)}.",
                "Give a mapping of a supervised edge type to its reverse.",
            )
        given = dict(zip(supervised, many, strict=True))
    reverses = {}
    for name, reverse in by_edge_type(given, known).items():
        if name not in supervised:
            raise GraphError(
                f"rev_edge_types names {name}, which is not supervised.",
                f"Supervised are {list(supervised)}.",
            )
        if reverse is None:
            continue
        reverses[name] = edge_type_of(reverse, known)
        if (reverses[name][0], reverses[name][-1]) != (name[-1], name[0]):
            raise GraphError(
                f"{reverses[name]} does not run from '{name[-1]}' to '{name[0]}', so it is no "
                f"reverse of {name}.",
                "Name in rev_edge_types what holds the same pairs turned round.",
            )
    return reverses


# What a homogeneous graph is taken for.
HOMOGENEOUS = ("node", "to", "node")


def _parts(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str):
        return tuple(given.split("__"))
    if isinstance(given, tuple | list) and 2 <= len(given) <= 3:
        parts = tuple(given)
        return parts if all(isinstance(part, str) for part in parts) else None
    return None


def _is_type(given: Any, known: Collection[Any]) -> bool:
    if isinstance(given, str):
        return True
    if not names_edge_type(given):
        return False
    # Two or three relations by name look like one type of as many parts.
    relations = {each[1] for each in known if len(each) == 3}
    return tuple(given) in known or not set(given) <= relations


def _is_pair(given: Any) -> bool:
    """PyG's (edge type, pairs or None)."""
    return (
        isinstance(given, tuple | list)
        and len(given) == 2
        and names_edge_type(given[0])
        and not names_edge_type(given[1])
        and not (isinstance(given[0], str) and isinstance(given[1], str))
    )


def _is_numbers(given: Any) -> bool:
    """Pairs as nested lists of numbers."""
    if not isinstance(given, tuple | list) or not given:
        return False
    return all(isinstance(row, tuple | list) and not any(map(_is_text, row)) for row in given)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | tuple | list)
