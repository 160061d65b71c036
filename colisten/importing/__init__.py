"""From a warehouse's export to the tables of the contract, by a mapping of names and values.

A `Mapping` (`mapping`) says which files hold which table, what their columns and values are called
there, and in which zone their times are. DuckDB reads the files as they are (`sources`), each
column becomes one of ours in SQL (`values`, `moments`, `translation`), and what no file says is
derived (`derived`). The tables are written beside their place, checked as `colisten check` checks
them, and renamed (`tables`). `proposal` drafts a mapping from the files alone.
"""
