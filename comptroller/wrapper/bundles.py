"""Bundles: policy files as somebody signed them, so that nobody else says what is in force.

A bundle is one text, a compact JWS: the files with their names, when it was made, and the signature of who answers for
it. It is read only with the keys that are trusted; where the settings name some, nothing unsigned is loaded at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from comptroller.core.errors import SettingsError
from comptroller.core.jws import Forged, Signs, canonical, read, sign
from comptroller.policies.book import PolicyFile, digest_of
from comptroller.store.publickey import PublicKey, read_public
from comptroller.wrapper.shelf import SUFFIX

KIND = "comptroller-policies+jws"
MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Bundle:
    """Policy files that were signed together."""

    files: tuple[PolicyFile, ...]
    made: int
    kid: str

    @property
    def version(self) -> str:
        """The version these files have, signed or not."""
        return digest_of(self.files)


def make(files: Sequence[PolicyFile], key: Signs, made: int) -> str:
    """Sign policy files."""
    told = {
        "made": made,
        "version": digest_of(files),
        "files": [{"path": file.path, "digest": file.digest, "text": file.text} for file in files],
    }
    return sign(canonical(told), key, KIND) + "\n"


def open_bundle(name: str, text: str, trusted: Mapping[str, PublicKey]) -> Bundle:
    """The files of a bundle; raises Forged where none of the trusted keys signed just this."""
    signed = read(text.strip(), KIND)
    key = trusted.get(signed.kid)
    if key is None:
        raise Forged(f"{name}: was signed with the key {signed.kid}, which is not trusted here. Ask whose key that is.")
    try:
        told: dict[str, Any] = msgspec.json.decode(signed.prove(key), type=dict[str, Any])
        files = tuple(PolicyFile(**file) for file in told["files"])
        bundle = Bundle(files, int(told["made"]), signed.kid)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        raise Forged(f"{name}: is signed, and holds no policies. Make it with `comptroller policy bundle`.") from None
    if bundle.version != told.get("version"):
        raise Forged(f"{name}: its files are not those of the version it names. Make it anew.")
    return bundle


def keys_of(paths: Iterable[str]) -> dict[str, PublicKey]:
    """Trusted keys by their names."""
    return {key.kid: key for key in (read_public(Path(path)) for path in paths)}


def opened(sources: Sequence[str], trusted: Mapping[str, PublicKey], only: bool = False) -> list[str | tuple[str, str]]:
    """Sources with each bundle replaced by its files; with `only`, anything unsigned but a pack of ours is refused."""
    found: list[str | tuple[str, str]] = []
    for source in sources:
        path = Path(source)
        if path.suffix == SUFFIX:
            bundle = open_bundle(source, read_text(path), trusted)
            found += [(f"{source}/{file.path}", file.text) for file in bundle.files]
        elif only and not path.name.startswith("pack:"):
            raise SettingsError(
                f"{source}: is not signed, and `policy_keys` says that policies have to be. Sign it with `comptroller "
                f"policy bundle {path.name} --out {path.stem}{SUFFIX}`, and name that under `policies`."
            )
        else:
            found.append(source)
    return found


def read_text(path: Path) -> str:
    """A bundle's text."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: is larger than a bundle can be. Name the file that was made.")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from None
    except UnicodeDecodeError:
        raise Forged(f"{path}: is no bundle. Make one with `comptroller policy bundle`.") from None
