"""What a caller gives for edges, as arrays: exact, or refused in one sentence.

Everything that turns a tensor, an array or a list of somebody else into ours goes through here, so
that nothing is cut off, wrapped round or made up on the way: an index is whole, a time keeps its
value, a weight is positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.words import shown

MOMENT_KINDS = "mM"
LONGEST_WHOLE = 2**53
MISSING = int(np.iinfo(np.int64).min)


def array_of(values: Any, what: str) -> np.ndarray:
    """Any tensor, array or list of numbers as a numpy array of its own kind.

    Args:
        what: What it is, as a sentence begins with it.

    Raises:
        GraphError: It is sparse, ragged, without data, or holds something else than numbers.
    """
    try:
        if hasattr(values, "as_tensor"):  # PyG's EdgeIndex and Index
            values = values.as_tensor()
        if hasattr(values, "layout"):
            if str(values.layout) != "torch.strided":
                raise GraphError(f"{what} is a sparse tensor.", "Give it dense: .to_dense().")
            if str(values.dtype) == "torch.bfloat16":  # which numpy lacks; float32 holds it all
                values = values.float()
            values = values.numpy(force=True)
        array = np.asarray(values)
    except (AttributeError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise GraphError(f"{what} cannot be read as an array: {shown(error)}.") from error
    if isinstance(values, list | tuple) and array.dtype.kind in "iuf":
        _check_numbers(values, array, what)
    if np.ma.is_masked(values):
        raise GraphError(f"{what} has masked values.", "Leave them out or fill them in.")
    if array.dtype.kind not in "biufc" + MOMENT_KINDS:
        raise GraphError(f"{what} holds {array.dtype} in place of numbers.")
    return array


def index_of(values: Any, limits: tuple[int, int], what: str) -> np.ndarray:
    """An edge index: int32 or int64 [2, num_edges] with row i in [0, limits[i]).

    One without edges may be of any kind: `torch.empty(2, 0)` is float.

    Raises:
        GraphError: It is of another shape or kind, or points outside the nodes.
    """
    array = array_of(values, f"The edge index of {what}")
    if array.ndim != 2 or array.shape[0] != 2:
        raise GraphError(
            f"The edge index of {what} must be [2, num_edges], not {list(array.shape)}."
        )
    if not array.size:
        return np.zeros((2, 0), np.int64)
    if array.dtype.kind not in "iu":
        raise GraphError(
            f"The edge index of {what} is {array.dtype}, where indices are integers.",
            "Convert it where it is made: .long() would cut fractions off.",
        )
    for row, limit in zip(array, limits, strict=True):
        # Before any conversion: 2**64 - 1 would become -1.
        wrong = int(((row < 0) | (row >= limit)).sum())
        if wrong:
            raise GraphError(f"{wrong} edges of {what} point outside its {limit} nodes.")
    dtype = np.int32 if array.dtype == np.int32 else np.int64
    return np.ascontiguousarray(array, dtype)


def weights_of(values: Any, count: int, what: str) -> np.ndarray:
    """Weights as float32 [count], finite and positive; [count, 1] is taken as [count].

    Raises:
        GraphError: They are of another shape or kind, or one is not finite and positive.
    """
    array = array_of(values, what)
    if array.shape not in ((count,), (count, 1)):
        raise _misfit(array, count, what)
    if array.size and array.dtype.kind not in "iuf":
        raise GraphError(f"{what} is {array.dtype}, where weights are numbers.")
    with np.errstate(over="ignore", under="ignore"):
        weights = array.reshape(-1).astype(np.float32)
    wrong = int((~(np.isfinite(weights) & (weights > 0))).sum())
    if wrong:
        raise GraphError(
            f"{what} must be finite and positive in float32; {wrong} of {count} are not.",
            "Leave out edges that count for nothing.",
        )
    return weights


def times_of(values: Any, count: int, what: str) -> np.ndarray:
    """Times as they are: int64 [count] of integers of any width, float64 [count] of floats.

    Raises:
        GraphError: They are no real numbers, not one per edge, missing (NaN), endless, or do not
            fit int64 or float64 exactly.
    """
    array = array_of(values, what)
    if array.shape != (count,):
        raise _misfit(array, count, what)
    if not array.size:
        return np.zeros(0, np.int64)
    kind = array.dtype.kind
    if kind in MOMENT_KINDS:
        gaps = int(np.isnat(array).sum())
        unit = "datetime64" if kind == "M" else "timedelta64"
        raise GraphError(
            f"{what} is {array.dtype}, whose unit and gaps a comparison would hide"
            + (f"; {gaps} of {count} are NaT." if gaps else "."),
            ("Leave those edges out and give" if gaps else "Give")
            + f" integers of one unit: .astype('{unit}[us]').astype('int64').",
        )
    if kind == "f":
        wrong = int((~np.isfinite(array)).sum())
        if wrong:
            raise GraphError(
                f"{what} has no finite time for {wrong} of {count}.",
                "Leave these edges out or give them a time.",
            )
        exact = array.astype(np.float64)
        if (exact != array).any():
            raise GraphError(f"{what} is {array.dtype}, which float64 does not hold exactly.")
        return exact
    if kind not in "iu":
        raise GraphError(f"{what} is {array.dtype}, where times are integers or floats.")
    # A Python int, since numpy would compare as float64.
    if kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise GraphError(
            f"{what} reaches {int(array.max())}, beyond int64.", "Count from a later moment."
        )
    missing = int((array == MISSING).sum()) if kind == "i" else 0
    if missing:
        # What NaT and NaN turn into; as a number it is before everything, so always seen.
        raise GraphError(
            f"{what} has no time for {missing} of {count}: {MISSING} is NaT or NaN as an integer.",
            "Leave these edges out or give them a time.",
        )
    return array.astype(np.int64)


def one_kind(times: Mapping[Any, np.ndarray]) -> dict[Any, np.ndarray]:
    """Arrays of `times_of` that can be compared with each other exactly.

    All int64, or all float64 where any is.

    Raises:
        GraphError: Floats meet integers that float64 does not hold.
    """
    if all(array.dtype.kind == "i" for array in times.values()):
        return dict(times)
    floats = next(name for name, array in times.items() if array.dtype.kind == "f")
    for name, array in times.items():
        if array.dtype.kind == "i" and array.size:
            largest = max(-int(array.min()), int(array.max()))
            if largest > LONGEST_WHOLE:
                raise GraphError(
                    f"Times of {name} are integers up to {largest}, those of {floats} floats, "
                    "which hold integers exactly up to 2**53 only.",
                    "Give both as integers.",
                )
    return {name: array.astype(np.float64) for name, array in times.items()}


def whole(what: str, value: Any, least: int | None = None) -> int:
    """A whole number, as an int.

    Raises:
        GraphError: It is something else, or less than `least`.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise GraphError(f"{what} is a whole number, not {shown(value)}.")
    if least is not None and value < least:
        raise GraphError(f"{what} is at least {least}, not {value}.")
    return int(value)


def _check_numbers(values: Any, array: np.ndarray, what: str) -> None:
    """Refuse what numpy makes of a list of mixed kinds: True to 1, long integers to floats."""
    for given, number in zip(np.asarray(values, object).flat, array.flat, strict=True):
        if isinstance(given, bool | np.bool_):
            raise GraphError(f"{what} mixes {given} with numbers.", "Give numbers alone.")
        if isinstance(given, int) and int(number) != given:
            raise GraphError(
                f"{what} mixes floats with {given}, which they do not hold exactly.",
                "Give all as integers within int64.",
            )


def _misfit(array: np.ndarray, count: int, what: str) -> GraphError:
    if array.ndim == 1:
        return GraphError(f"{what} has {len(array)} values for {count} edges.")
    return GraphError(
        f"{what} is of shape {list(array.shape)}, where {count} edges need [{count}]."
    )
