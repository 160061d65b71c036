"""One writing for every language and country, at the tables' door and at the service's."""

from __future__ import annotations

import contextlib
import json
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langcodes import Language
from pydantic import ValidationError

from colisten.data.checks import check_tables
from colisten.data.countries import country_of
from colisten.data.languages import language_of, wanted_language
from colisten.data.prepare import prepare_tables
from colisten.errors import ConfigError
from colisten.serving.problems import body_fault
from colisten.serving.requests import RecommendRequest, SimilarRequest
from tests.conftest import CUT, ITEM_TYPES
from tests.data.sources import copy_source, replace

SPELLINGS = {
    "en": ["en", "EN", "eN", "en-US", "en_GB", "EN-us", "eng", "en-Latn", "en_US.UTF-8", " en\n"],
    "sv": ["sv", "sv_SE", "SWE", "sv-FI", "\ufeffsv"],
    "de": ["de", "ger", "deu", "de-CH-1901", "de_AT@euro"],
    "zh": ["zh", "zh-Hant", "zh_TW", "zh-hans-cn", "cmn", "chi", "zho", "zh-cmn"],
    "he": ["he", "iw", "heb", "iw-IL"],
    "no": ["no", "nb", "nob", "nb_NO"],
    "pt": ["pt-BR", "pt-br", "PT_PT", "por"],
    "sr": ["sr", "sr-Latn", "sr_Cyrl_RS"],
    "yue": ["yue", "zh-yue"],
    "mul": ["mul"],
}
NO_TAGS = ["English", "deutsch", "xx", "e", "en--US", "en us", "x-mine", "123", "🙂", "en\x00", "C"]
NOT_KNOWN = ["und", "UND", "mis", "", "  ", "\ufeff"]

letters = st.text(string.ascii_letters, min_size=2, max_size=3)
tags = st.builds(
    lambda parts, join: join.join(parts),
    st.tuples(letters) | st.tuples(letters, st.text(string.ascii_letters, min_size=2, max_size=4)),
    st.sampled_from("-_"),
)
texts = tags | st.text(max_size=12) | st.sampled_from(sum(SPELLINGS.values(), NO_TAGS + NOT_KNOWN))


def asked(text: str) -> str | None:
    """What the service makes of a language in a body; None where it refuses."""
    body = json.dumps({"user_id": "u", "language": text})
    try:
        return RecommendRequest.model_validate_json(body).language
    except ValidationError:
        return None


@pytest.mark.parametrize(
    ("text", "language"), [(text, one) for one, many in SPELLINGS.items() for text in many]
)
def test_every_writing_of_a_language_is_one(text: str, language: str) -> None:
    assert language_of(text) == language
    assert wanted_language(text) == language
    assert SimilarRequest(item_id="a", language=text).language == language


@pytest.mark.parametrize("text", NO_TAGS)
def test_a_text_that_is_no_tag_is_named(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        language_of(text)
    assert repr(text) in caught.value.what
    with pytest.raises(ValidationError) as refused:
        SimilarRequest(item_id="a", language=text)
    fault = body_fault(refused.value)
    assert [one.field for one in fault.fields] == ["language"]
    assert repr(text) in fault.detail


@pytest.mark.parametrize("text", NOT_KNOWN)
def test_a_language_that_is_not_known_is_none_in_tables_and_no_filter(text: str) -> None:
    assert language_of(text) is None
    with pytest.raises(ConfigError, match="names no language"):
        wanted_language(text)
    assert asked(text) is None


@pytest.mark.parametrize(
    ("text", "tag"), [("English", "en"), ("SWEDISH", "sv"), ("Portugese", "pt")]
)
def test_the_tag_that_is_probably_meant_is_named(text: str, tag: str) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean {tag}\\?"):
        language_of(text)


@given(texts)
def test_both_doors_take_the_same_languages(text: str) -> None:
    try:
        language = language_of(text)
    except ConfigError:
        language = None
    assert asked(text) == language
    if language is not None:
        assert language_of(language) == language
        assert language_of(language.upper()) == language


COUNTRIES = {
    "SE": ["SE", "se", " Se ", "SWE", "752"],
    "GB": ["GB", "UK", "gbr"],
    "NO": ["no", "NOR"],
    "BA": ["BA", "bih"],
    "US": ["usa", "840"],
    "Sweden": ["Sweden", "Sweden\t"],
    "ZQ": ["zq"],
}


@pytest.mark.parametrize(
    ("text", "country"), [(text, one) for one, many in COUNTRIES.items() for text in many]
)
def test_every_writing_of_a_country_is_one(text: str, country: str) -> None:
    assert country_of(text) == country
    assert RecommendRequest(user_id="u", country=text).country == country


@given(st.text(string.ascii_letters + string.digits, max_size=3) | st.text())
def test_a_country_in_its_one_writing_stays(text: str) -> None:
    country = country_of(text)
    assert country != ""
    if country is not None:
        assert country_of(country) == country
        assert country_of(f" {country}\n") == country


def test_a_country_of_blanks_counts_as_none() -> None:
    assert RecommendRequest(user_id="u", country="  ").country is None


def test_tables_are_written_with_one_writing(tiny_source: Path, tmp_path: Path) -> None:
    source = copy_source(tiny_source, tmp_path / "source")
    written = [*SPELLINGS["en"], *SPELLINGS["zh"], *NOT_KNOWN, None, *NO_TAGS, *NO_TAGS[:1]]
    languages = written + [None] * (100 - len(written))
    replace(source, "items", "language", pa.array(languages, pa.string()))
    users = pq.read_table(source / "users.parquet").num_rows
    countries = ["se", "SE ", "SWE", "Sweden", " ", None, "UK"] + ["DE"] * (users - 7)
    replace(source, "users", "country", pa.array(countries, pa.string()))

    report = check_tables(source)
    [about_items] = [one for one in report.notices if one.startswith("items.language")]
    assert f"{len(NO_TAGS) + 1} rows hold no language tag" in about_items
    first = len(written) - len(NO_TAGS) - 1
    assert f"'English' (2 rows, first row {first})" in about_items
    assert "and 6 more" in about_items
    assert "Did you mean en?" in about_items
    [about_users] = [one for one in report.notices if one.startswith("users.country")]
    assert "1 row holds no country code" in about_users
    assert "'Sweden' (row 3)" in about_users
    missing = 100 - len(SPELLINGS["en"]) - len(SPELLINGS["zh"])
    of_books, of_podcasts = (report.missing[f"{kind}.language"] for kind in ITEM_TYPES)
    books = report.items["audiobook"]
    assert of_books * books + of_podcasts * (100 - books) == pytest.approx(missing)

    prepare_tables(source, tmp_path / "out", cut=CUT, window_days=14)
    history = tmp_path / "out" / "history"
    items = pq.read_table(history / "items.parquet").to_pylist()
    ids = pq.read_table(source / "items.parquet").column("item_id").to_pylist()
    meant = dict(zip(ids, ["en"] * 10 + ["zh"] * 8 + [None] * 100, strict=False))
    assert {row["item_id"]: row["language"] for row in items} == {
        row["item_id"]: meant[row["item_id"]] for row in items
    }
    names = pq.read_table(source / "users.parquet").column("user_id").to_pylist()
    kept = {
        row["user_id"]: row["country"]
        for row in pq.read_table(history / "users.parquet").to_pylist()
    }
    assert [kept[name] for name in names[:8]] == [
        "SE",
        "SE",
        "SE",
        "Sweden",
        None,
        None,
        "GB",
        "DE",
    ]


@pytest.mark.parametrize("text", ["en" + "-abcde" * 10_000, "x" * 100_000, "en_" + "." * 9_999])
def test_a_text_of_any_length_is_a_language_or_one_short_line(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a language tag") as caught:
        language_of(text)
    assert len(str(caught.value)) < 200


def test_what_was_asked_for_is_not_remembered_for_ever() -> None:
    for number in range(12_000):
        with contextlib.suppress(ConfigError):
            language_of(f"en-x-{number:06d}")
    assert len(Language._PARSE_CACHE) <= 10_002


def test_no_country_and_no_language_are_no_trouble(tiny_source: Path, tmp_path: Path) -> None:
    source = copy_source(tiny_source, tmp_path / "source")
    replace(source, "items", "language", pa.nulls(100))
    (source / "users.parquet").unlink()
    prepare_tables(source, tmp_path / "out", cut=CUT, window_days=14)
    items = pq.read_table(tmp_path / "out" / "history" / "items.parquet")
    assert items.column("language").null_count == len(items)
