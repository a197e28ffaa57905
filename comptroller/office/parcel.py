"""A parcel: files in one zip that is the same byte for byte whoever packs them, with a signed list of what is in it.

Nothing in it is compressed and no time or owner is kept, so that whoever opens it can pack what it found again and
compare: not one byte of the archive, between the files either, can differ unseen.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comptroller.core import jws
from comptroller.core.errors import SettingsError
from comptroller.core.jws import Forged, canonical
from comptroller.office.signing import Signer
from comptroller.store.publickey import PublicKey, from_jwk

MANIFEST, SIGNATURE = "manifest.json", "manifest.jws"
KIND = "comptroller-manifest+jws"
_BORN = (1980, 1, 1, 0, 0, 0)  # the first moment a zip knows
MOST = 2 << 30  # bytes of a parcel that are read


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel whose every byte was found to be what was signed."""

    files: Mapping[str, bytes]
    about: Mapping[str, Any]  # what the manifest says beside the list
    key: PublicKey  # it was signed with
    given: bool  # that key came from outside the parcel


def pack(files: Mapping[str, bytes], about: Mapping[str, object], signer: Signer) -> bytes:
    """Pack and sign."""
    listed = {name: {"sha256": _hash(data), "bytes": len(data)} for name, data in files.items()}
    manifest = canonical({**about, "files": listed, "key": signer.public.jwk})
    signature = jws.detached(manifest, signer, KIND).encode()
    return _zip({MANIFEST: manifest, SIGNATURE: signature, **dict(sorted(files.items()))})


def load(path: Path, key: PublicKey | None = None) -> Parcel:
    """Open a parcel's file; Forged where anything is not as it was packed."""
    try:
        if path.stat().st_size > MOST:
            raise Forged(f"{path}: it is larger than {MOST >> 30} GiB, which no pack of ours is.")
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Name the pack's file.") from error
    return unpack(data, key)


def unpack(data: bytes, key: PublicKey | None = None) -> Parcel:
    """Check and open a parcel; with a key it has to be signed with that one, else with the one it brings."""
    files = _files(data)
    manifest, signature = files.pop(MANIFEST, None), files.pop(SIGNATURE, None)
    if manifest is None or signature is None:
        raise Forged("It carries no signed manifest, so nothing in it can be believed.")
    said = _object(manifest)
    signer = key or _brought(said)
    jws.read(jws.attach(_ascii(signature), manifest), KIND).prove(signer)
    _compare(files, said.get("files"))
    if _zip({MANIFEST: manifest, SIGNATURE: signature, **dict(sorted(files.items()))}) != data:
        raise Forged("The archive holds bytes that belong to none of its files: it was changed after it was packed.")
    about = {name: value for name, value in said.items() if name not in ("files", "key")}
    return Parcel(files, about, signer, key is not None)


def _files(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise Forged("Something in it is compressed, which nothing is when it is packed.")
            names = [info.filename for info in infos]
            if len(set(names)) != len(names):
                raise Forged("It holds two files of one name.")
            if sum(info.file_size for info in infos) > len(data):
                raise Forged("Its files claim to be larger than it is.")
            return {info.filename: archive.read(info) for info in infos}
    except Forged:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile raises nearly anything for a damaged archive
        raise Forged(f"It is no archive that can be read ({type(error).__name__}): damaged, or changed.") from None


def _compare(files: Mapping[str, bytes], listed: object) -> None:
    if not isinstance(listed, dict) or set(listed) != set(files):
        raise Forged("What is in it is not what its manifest lists: a file was added or taken away.")
    for name, data in files.items():
        if listed[name] != {"sha256": _hash(data), "bytes": len(data)}:
            raise Forged(f"{name}: is not what was signed.")


def _brought(said: Mapping[str, Any]) -> PublicKey:
    try:
        return from_jwk(said.get("key"))
    except ValueError:
        raise Forged("It brings no key it could be checked with. Give its issuer's with --key.") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Forged(f"{MANIFEST}: is not what was signed.")
    return found


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise Forged(f"{SIGNATURE}: is no signature.") from None


def _zip(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _BORN)
            info.create_system, info.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(info, data)
    return made.getvalue()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
