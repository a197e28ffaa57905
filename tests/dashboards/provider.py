"""A small provider of identities on loopback: OpenID Connect's authorization-code flow, with tokens it really signs."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "console", "s3cret"


@dataclass
class Provider:
    """Who signs in next, and what went wrong with the token, if anything."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    signing: rsa.RSAPrivateKey | None = None  # other than the published one
    issued: dict[str, dict[str, str]] = field(default_factory=dict)  # codes, with what was asked for
    refused: list[str] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], object]:
        if path == "/.well-known/openid-configuration":
            return 200, {}, self._described()
        if path == "/keys":
            jwk = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
            return 200, {}, {"keys": [jwk | {"kid": "k1", "use": "sig", "alg": "RS256"}]}
        if path == "/authorize":
            code = secrets.token_urlsafe(16)
            self.issued[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            return 302, {"location": f"{query['redirect_uri']}?{back}"}, {}
        return 404, {}, {}

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], object]:
        asked = self.issued.pop(form.get("code", ""), None)
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        known = authorization == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if (
            asked is None
            or not known
            or base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            self.refused.append("token")
            return 400, {}, {"error": "invalid_grant"}
        now = 1_700_000_000
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": 4_000_000_000,
            "nonce": asked["nonce"],
            **self.claims,
        }
        signed = jwt.encode(claims, self.signing or self.key, "RS256", {"kid": "k1"})
        return 200, {}, {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": signed}

    def _described(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


@contextmanager
def provider() -> Iterator[Provider]:
    """One for as long as the block lasts."""
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._tell(*made.answer(parts.path, dict(_plain(parts.query))))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"])).decode()
            self._tell(*made.token(dict(_plain(form)), self.headers.get("authorization", "")))

        def _tell(self, status: int, headers: dict[str, str], body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *said: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _plain(text: str) -> Iterator[tuple[str, str]]:
    for name, values in parse_qs(text).items():
        yield name, values[0]
