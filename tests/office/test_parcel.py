"""Parcels: nothing in them, between their files or around them can change unseen."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from comptroller.core.jws import Forged
from comptroller.office import parcel
from comptroller.office.signing import Signer

KEY, OTHER = Signer(b"k" * 32), Signer(b"o" * 32)
FILES = {"invoice.json": b'{"total":10}', "lines.ndjson": b"{}\n{}\n", "empty": b""}
PACKED = parcel.pack(FILES, {"invoice": "i1"}, KEY)


def test_a_parcel_opens_with_the_key_it_is_signed_with() -> None:
    for key in (KEY.public, None):
        opened = parcel.unpack(PACKED, key)
        assert dict(opened.files) == FILES
        assert opened.about == {"invoice": "i1"}
        assert (opened.key, opened.given) == (KEY.public, key is not None)


def test_the_same_files_make_the_same_bytes() -> None:
    assert parcel.pack(dict(reversed(FILES.items())), {"invoice": "i1"}, KEY) == PACKED


@settings(max_examples=500)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found_wherever_it_is(at: int, by: int) -> None:
    changed = bytearray(PACKED)
    changed[at] ^= by
    with pytest.raises(Forged):
        parcel.unpack(bytes(changed))


def test_every_single_byte_matters() -> None:
    for at in range(len(PACKED)):
        changed = bytearray(PACKED)
        changed[at] ^= 1 << at % 8
        with pytest.raises(Forged):
            parcel.unpack(bytes(changed), KEY.public)


@given(st.binary(max_size=30), st.integers(0, len(PACKED)))
@example(b"x", len(PACKED))
@example(b"x", 0)
def test_bytes_put_in_or_taken_out_are_found(more: bytes, at: int) -> None:
    if more:
        with pytest.raises(Forged):
            parcel.unpack(PACKED[:at] + more + PACKED[at:])
    if at < len(PACKED):
        with pytest.raises(Forged):
            parcel.unpack(PACKED[:at])


@given(st.binary(max_size=200))
def test_anything_else_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(Forged):
        parcel.unpack(data)


def test_who_packs_it_anew_signs_with_another_key() -> None:
    forged = parcel.pack({**FILES, "invoice.json": b'{"total":1}'}, {"invoice": "i1"}, OTHER)
    with pytest.raises(Forged, match=OTHER.kid):
        parcel.unpack(forged, KEY.public)
    assert parcel.unpack(forged).key.kid != KEY.kid


def _zipped(method: int, *names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in names:
            archive.writestr(name, b"0" * 1000)
    return made.getvalue()


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(Forged, match="compressed"):
        parcel.unpack(_zipped(zipfile.ZIP_DEFLATED, "manifest.json"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(Forged, match="two files"):
        parcel.unpack(_zipped(zipfile.ZIP_STORED, "a", "a"))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(parcel.SettingsError, match="Name the pack's file"):
        parcel.load(tmp_path / "none.zip")
