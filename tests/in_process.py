"""The real client over the real web service without a network between them, for tests that do so a thousand times."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from figure_system import web_service
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from ryu_vnet.client import Client
from ryu_vnet.managers.system import System


class _InProcess(BaseAdapter):
    """Hands requests to a WSGI application."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self._web = web_service(system).test_client()

    def send(self, request: requests.PreparedRequest, *args: Any, **attributes: Any) -> requests.Response:
        assert request.url is not None and request.method is not None
        parts = urlsplit(request.url)
        data: Any = request.body.read() if hasattr(request.body, "read") else request.body
        kind = {"Content-Type": request.headers["Content-Type"]} if data is not None else {}
        answer = self._web.open(
            parts.path,
            method=request.method,
            query_string=parts.query,
            data=data,
            headers={"Host": "localhost", **kind},
        )
        response = requests.Response()
        response.status_code, response._content, response.url = answer.status_code, answer.data, request.url
        response.headers = CaseInsensitiveDict(answer.headers)
        return response

    def close(self) -> None:
        pass


def client_of(system: System) -> Client:
    """A client whose controller is this system."""
    client = Client("http://localhost")
    client._session.mount("http://", _InProcess(system))
    return client
