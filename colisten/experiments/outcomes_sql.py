"""The query behind `colisten.experiments.outcomes`.

Windows are of one length, so the latest showing until a stream is the one that reaches furthest
beyond it: whether any window covers the stream is decided by that one alone. Users, and what was
shown to whom, are numbered first: sorting and joining by two texts costs nearly twice as much.
"""

from __future__ import annotations

DAY = 86_400_000_000
"""In microseconds, as all moments here."""

PRE_DAYS = 28
"""Days before a user's first showing that are compared between arms, and that CUPED reads."""

KNEW_TYPE, KNEW_OTHERS, KNEW_NOTHING = "the type", "other types", "nothing"
"""What users had started before their first showing: tiers of history."""

# A moment that is a whole second may have lost its fraction on the way; likewise a millisecond.
_LATEST = (
    "moment + CASE WHEN moment % 1000000 = 0 THEN 999999 WHEN moment % 1000 = 0 THEN 999 ELSE 0 END"
)

_OUTCOMES = f"""
WITH seen AS (
    SELECT * FROM exposures
    WHERE epoch_us(timestamp) >= $start AND epoch_us(timestamp) < $end
),
arms AS MATERIALIZED (
    SELECT user_id, row_number() OVER () AS who, min(variant) AS variant,
           count(DISTINCT variant) AS variants, count(DISTINCT request_id) AS requests,
           min(epoch_us(timestamp)) AS first, arg_min(surface, timestamp) AS surface{{shelves}}
    FROM seen GROUP BY user_id
),
pairs AS MATERIALIZED (
    SELECT who, item_id, row_number() OVER () AS pair
    FROM (SELECT DISTINCT who, item_id FROM seen JOIN arms USING (user_id)
          WHERE item_id IS NOT NULL)
),
shown AS (
    SELECT DISTINCT pair, epoch_us(timestamp) AS moment
    FROM seen JOIN arms USING (user_id) JOIN pairs USING (who, item_id)
),
starts AS MATERIALIZED (
    SELECT who, item_id, wanted, moment, {_LATEST} AS latest
    FROM (
        SELECT DISTINCT who, item_id, item_type = $target_type AS wanted,
               epoch_us(timestamp) AS moment
        FROM interactions JOIN arms USING (user_id)
        WHERE list_contains($start_signals, signal) AND epoch_us(timestamp) < $end
    )
),
streams AS (
    SELECT pair, moment, latest FROM starts JOIN pairs USING (who, item_id) WHERE wanted
),
firsts AS MATERIALIZED (
    SELECT who, item_id, min(moment) AS moment, arg_min(latest, moment) AS latest
    FROM starts WHERE wanted GROUP BY who, item_id
),
caused AS (
    SELECT streams.pair, count(*) AS streams, min(streams.moment) AS moment
    FROM streams ASOF JOIN shown
      ON streams.pair = shown.pair AND streams.latest >= shown.moment
    WHERE streams.moment < shown.moment + $window
    GROUP BY streams.pair
),
totals AS (
    SELECT who, sum(streams) AS streams, count_if(new) AS new_starts,
           list(greatest(0, moment - first) // {DAY}) FILTER (new) AS new_start_days
    FROM (
        SELECT pairs.who, arms.first, caused.streams, caused.moment,
               caused.moment = firsts.moment AS new
        FROM caused JOIN pairs USING (pair) JOIN firsts USING (who, item_id) JOIN arms USING (who)
    )
    GROUP BY who
),
habits AS (
    SELECT who,
           count_if(NOT wanted AND latest >= first) AS other_starts,
           count_if(wanted AND {{recent}}) AS starts_before,
           count_if(NOT wanted AND {{recent}}) AS other_starts_before,
           bool_or(wanted AND latest < first) AS knew_type,
           bool_or(latest < first) AS knew_any
    FROM starts JOIN arms USING (who) GROUP BY who
),
discoveries AS (
    SELECT who, count_if(latest >= first) AS all_new_starts,
           count_if({{recent}}) AS new_starts_before
    FROM firsts JOIN arms USING (who) GROUP BY who
){{listening}}
SELECT arms.user_id, arms.variant, arms.variants, arms.requests,
       strftime(make_timestamp(arms.first), '%Y-%m-%d') AS day, arms.surface, {{country}},
       CASE WHEN knew_type THEN '{KNEW_TYPE}' WHEN knew_any THEN '{KNEW_OTHERS}'
            ELSE '{KNEW_NOTHING}' END AS history,
       arms.first, ($until - arms.first) / {DAY} AS observed_days,
       {{counts}}, coalesce(new_start_days, []) AS new_start_days
FROM arms LEFT JOIN totals USING (who) LEFT JOIN habits USING (who)
    LEFT JOIN discoveries USING (who) {{joined}}
ORDER BY arms.user_id
"""

_SHELVES = """,
           count(DISTINCT CASE WHEN quality = 'popular' THEN request_id END) AS fallbacks,
           count(DISTINCT CASE WHEN quality = 'empty' THEN request_id END) AS empty_shelves,
           count(DISTINCT CASE WHEN quality IS NOT NULL THEN request_id END) AS known_requests"""

_LISTENING = f""",
lasted AS (
    SELECT who, moment, {_LATEST} AS latest, duration_ms / 3600000 AS hours
    FROM (
        SELECT DISTINCT who, item_id, signal, epoch_us(timestamp) AS moment, duration_ms
        FROM interactions JOIN arms USING (user_id)
        WHERE item_type = $target_type AND duration_ms IS NOT NULL AND epoch_us(timestamp) < $end
    )
),
listening AS (
    SELECT who, sum(CASE WHEN latest >= first THEN hours ELSE 0 END) AS hours,
           sum(CASE WHEN {{recent}} THEN hours ELSE 0 END) AS hours_before
    FROM lasted JOIN arms USING (who) GROUP BY who
)"""

_COUNTS = (
    "streams",
    "new_starts",
    "all_new_starts",
    "other_starts",
    "starts_before",
    "new_starts_before",
    "other_starts_before",
)


def outcomes_query(*, countries: bool, shelves: bool, durations: bool) -> str:
    """The query over the views exposures and interactions.

    Args:
        countries: Whether there is a view users to take them from.
        shelves: Whether exposures say what shelves were worth.
        durations: Whether interactions say how long they lasted.
    """
    recent = f"latest < first AND moment >= first - {PRE_DAYS * DAY}"
    counts = [f"CAST(coalesce({name}, 0) AS BIGINT) AS {name}" for name in _COUNTS]
    if shelves:
        counts += ["fallbacks", "empty_shelves", "known_requests"]
    if durations:
        counts += [f"coalesce({name}, 0.0) AS {name}" for name in ("hours", "hours_before")]
    joined = ["LEFT JOIN listening USING (who)"] if durations else []
    joined += ["LEFT JOIN users ON users.user_id = arms.user_id"] if countries else []
    return _OUTCOMES.format(
        recent=recent,
        shelves=_SHELVES if shelves else "",
        listening=_LISTENING.format(recent=recent) if durations else "",
        country="users.country" if countries else "CAST(NULL AS VARCHAR) AS country",
        counts=", ".join(counts),
        joined=" ".join(joined),
    )
