"""The controller's own options, from the environment (`VNET_...`) and from a YAML file named by `VNET_CONFIG`.

The environment wins. Fabric and intent are not options: they come through the API and live in the store.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import yaml
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from .errors import Invalid, Problem

DEFAULT_API_PORT = 8080
DEFAULT_OPENFLOW_PORT = 6653
"""IANA's port for OpenFlow."""


class Settings(BaseSettings):
    """Options of the controller. Each is `VNET_` and its name in capitals in the environment."""

    model_config = SettingsConfigDict(env_prefix="VNET_", extra="forbid")

    store: Path = Field(Path("/var/lib/ryu-vnet/store.db"), description="The SQLite file that holds the state")
    api_host: str = Field("127.0.0.1", description="Where the web service listens")
    api_port: int = Field(DEFAULT_API_PORT, ge=0, le=65535)
    api_token: SecretStr | None = Field(None, description="Bearer token that every request must carry")
    api_cert: Path | None = Field(None, description="Certificate of the web service, PEM")
    api_key: Path | None = Field(None, description="Its private key, PEM")
    openflow_host: str = Field("127.0.0.1", description="Where switches connect to")
    openflow_port: int = Field(DEFAULT_OPENFLOW_PORT, ge=1, le=65535)
    openflow_cert: Path | None = Field(None, description="Certificate shown to switches, PEM; with it, TLS only")
    openflow_key: Path | None = Field(None, description="Its private key, PEM")
    openflow_ca: Path | None = Field(None, description="Authority that must have signed the switches' certificates")
    openflow_insecure: bool = Field(
        False, description="Let switches connect from other machines without TLS, or without certificates of their own"
    )
    ovsdb_cert: Path | None = Field(None, description="Certificate shown to databases behind ssl:, PEM")
    ovsdb_key: Path | None = Field(None, description="Its private key, PEM")
    ovsdb_ca: Path | None = Field(None, description="Authority that must have signed the databases' certificates")
    ovsdb: str | None = Field(
        None, description="Database of switches that name none: unix:/run/openvswitch/db.sock, ssl:10.0.0.1:6640"
    )
    discovery: bool = Field(
        True, description="Whether nodes start, stop and move by what the databases of their hosts say in external_ids"
    )
    events_kept: int = Field(10_000, ge=100, le=1_000_000, description="How many events are kept: see `vnet events`")
    lldp_seconds: int = Field(
        60, ge=0, le=3600, description="How often each link port says by LLDP who it is; 0: never, and none is checked"
    )
    placement: str = Field(
        "closest",
        description="How hosts are chosen: closest, spread, or the name of an entry point of ryu_vnet.placement",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get("VNET_CONFIG")
        if file is None:
            return init_settings, env_settings
        if not Path(file).is_file():
            raise ValueError(f"VNET_CONFIG names {file}, which is not a file")
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=file)

    @model_validator(mode="after")
    def _check(self) -> Settings:
        for name in ("api", "openflow"):
            if (getattr(self, f"{name}_cert") is None) != (getattr(self, f"{name}_key") is None):
                raise ValueError(f"{name}_cert and {name}_key go together: set both or neither")
        if len({self.ovsdb_cert is None, self.ovsdb_key is None, self.ovsdb_ca is None}) > 1:
            raise ValueError("ovsdb_cert, ovsdb_key and ovsdb_ca go together: set all or none")
        if not _is_loopback(self.openflow_host) and self.openflow_ca is None and not self.openflow_insecure:
            raise ValueError(
                f"openflow_host {self.openflow_host} can be reached from outside, and whoever reaches it could pass "
                f"for a switch: that needs openflow_cert, openflow_key and openflow_ca (or openflow_insecure: true)"
            )
        if self.openflow_ca is not None and self.openflow_cert is None:
            raise ValueError("openflow_ca needs openflow_cert and openflow_key")
        if not _is_loopback(self.api_host) and (self.api_cert is None or self.api_token is None):
            raise ValueError(
                f"api_host {self.api_host} can be reached from outside: that needs api_cert, api_key and api_token "
                f"(or leave it at 127.0.0.1)"
            )
        return self


def read_settings() -> Settings:
    """The options, with certificates that can be used. Raises Invalid, each option named as in the environment."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise Invalid(_problem(part["loc"], part["msg"]) for part in error.errors()) from None
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise Invalid(Problem("VNET_CONFIG", str(error))) from None
    found = [*_certificate_problems(settings)]
    if found:
        raise Invalid(found)
    return settings


def _problem(place: tuple[int | str, ...], message: str) -> Problem:
    where = "_".join(["VNET", *map(str, place)]).upper() if place else ""
    return Problem(where, message.removeprefix("Value error, "))


def _certificate_problems(settings: Settings) -> Iterator[Problem]:
    hint = "a file in PEM that this user may read"
    for name in ("api", "openflow"):
        certificate, key = getattr(settings, f"{name}_cert"), getattr(settings, f"{name}_key")
        if certificate is None:
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except OSError as error:
            where = f"VNET_{name.upper()}_CERT"
            yield Problem(where, f"cannot use {certificate} with {key}: {error.strerror or error}", hint)
    if settings.openflow_ca is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(settings.openflow_ca)
        except OSError as error:
            yield Problem("VNET_OPENFLOW_CA", f"cannot use {settings.openflow_ca}: {error.strerror or error}", hint)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
