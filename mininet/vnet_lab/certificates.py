"""Certificates for TLS between controller and switches, made by openssl for one run of the lab.

authority = Authority(folder, "fabric")
controller, switch = authority.issue("controller"), authority.issue("switch")
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .sandbox import run

KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS: Final = "2"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own; `certificate` is what others must trust."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        subject = ("-subj", f"/CN={name} authority")
        run("openssl", "req", "-x509", *KEY, "-days", DAYS, *subject, "-keyout", f"{self._key}",
            "-out", f"{self.certificate}")  # fmt: skip

    def issue(self, subject: str) -> Certificate:
        """A certificate for `subject`, valid for 127.0.0.1, signed by this authority."""
        issued = Certificate(self._folder / f"{self._name}-{subject}.pem", self._folder / f"{self._name}-{subject}.key")
        request = self._folder / f"{self._name}-{subject}.csr"
        extensions = self._folder / f"{self._name}-{subject}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        run("openssl", "req", *KEY, "-subj", f"/CN={subject}", "-keyout", f"{issued.key}", "-out", f"{request}")
        run("openssl", "x509", "-req", "-in", f"{request}", "-CA", f"{self.certificate}", "-CAkey", f"{self._key}",
            "-CAcreateserial", "-days", DAYS, "-extfile", f"{extensions}", "-out", f"{issued.certificate}")  # fmt: skip
        return issued
