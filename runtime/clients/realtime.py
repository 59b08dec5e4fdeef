"""Pushing notifications to browsers and apps, through AppSync Events."""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from runtime import metrics
from runtime.aws_errors import translated
from runtime.clients.request_ids import request_id_of
from runtime.contract import NO_MODULE, NO_TENANT_SEGMENT
from runtime.errors import ConfigurationError, DeliveryError
from runtime.log import logger
from runtime.model.json_text import message_text
from runtime.model.keys import lower_case_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.session import Session
    from urllib3 import PoolManager

    from runtime.settings import Settings

__all__ = ["AppSyncEventsTransport", "channel_segment"]

_MAX_SEGMENT: Final = 50
_CONNECT_SECONDS: Final = 2
_READ_SECONDS: Final = 5
_SHOWN: Final = 200
_HOST: Final = re.compile(r"\.appsync-api\.([a-z0-9-]+)\.")


def channel_segment(value: object) -> str:
    """One part of a channel's path: at most 50 letters, digits and ``-``; ``none`` for nothing.

    >>> channel_segment("ORDER#acme#A_1")
    'ORDER-acme-A-1'
    """
    text = "" if value is None else str(value)
    return re.sub(r"[^0-9A-Za-z]", "-", text).strip("-")[:_MAX_SEGMENT].strip("-") or NO_TENANT_SEGMENT


class AppSyncEventsTransport:
    """Publishes each notification to the channel ``/{namespace}/{tenant}/{action}/{id}``.

    A handler of the notification queue. What it cannot publish it raises, so that the
    message comes again and ends in the dead-letter queue.

    Args:
        settings: The endpoint and the namespace; ``APPSYNC_ENDPOINT`` and ``APPSYNC_REGION``
            override where to connect to and what region to sign for.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _endpoint(self) -> str:
        endpoint = self._settings.realtime_endpoint
        if endpoint is None:
            msg = "APPSYNC_EVENTS_ENDPOINT is not set, so nothing can be pushed"
            raise ConfigurationError(msg)
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            msg = f"APPSYNC_EVENTS_ENDPOINT must be a URL such as https://host/event, got {endpoint!r}"
            raise ConfigurationError(msg)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/event'}"

    @cached_property
    def _region(self) -> str:
        """The region of the API: the host says it, unless the domain is one's own."""
        host = _HOST.search(self._endpoint)
        region = self._settings.regions.get("APPSYNC") or (host and host[1]) or os.environ.get("AWS_REGION")
        if not region:
            msg = f"the region of {self._endpoint} is not known; set APPSYNC_REGION or AWS_REGION"
            raise ConfigurationError(msg)
        return region

    @cached_property
    def _session(self) -> Session:
        from botocore.session import get_session  # noqa: PLC0415 - only the notifier pays for it

        return get_session()

    @cached_property
    def _http(self) -> PoolManager:
        from urllib3 import PoolManager, Timeout  # noqa: PLC0415

        # No retries here: the queue has a delay between them, and a dead-letter queue.
        return PoolManager(timeout=Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS), retries=False)

    def __call__(self, notification: Mapping[str, Any]) -> None:
        """Publish one notification.

        One without a tenant is for nobody. A tenant whose code is no segment as it stands
        (``a_b`` would become ``a-b``, which may be another tenant) has no channel. Nobody may
        subscribe to one, so its notifications are counted as lost, and are not tried again.

        Raises:
            ConfigurationError: The endpoint or its region is not known.
            InvalidInputError: An event has no JSON form.
            DeliveryError: AppSync was not reached, or refused the event.
            StoreRefusedError: The function's credentials cannot be used.
        """
        tenant = lower_case_tenant(str(notification.get("tenantCode") or ""))
        if not tenant:
            return
        if tenant == NO_TENANT_SEGMENT or channel_segment(tenant) != tenant:
            metrics.count(metrics.NOTIFICATIONS_LOST, NO_MODULE)
            logger.warning(
                "notification not pushed: a channel's tenant has at most 50 letters, digits and dashes",
                request_id=request_id_of(notification),
            )
            return
        channel = self.channel(tenant, notification.get("action"), notification.get("id"))
        self.publish(channel, [notification])

    def channel(self, tenant: str, *path: object) -> str:
        """Path of a channel of ``tenant``, such as ``/default/acme/command-status/A1``."""
        segments = (self._settings.realtime_namespace, lower_case_tenant(tenant), *path)
        return "".join(f"/{channel_segment(segment)}" for segment in segments)

    def publish(self, channel: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Publish events of your own to ``channel``; up to five, each up to 240 KB of JSON.

        Raises:
            ConfigurationError: The endpoint or its region is not known.
            InvalidInputError: An event has no JSON form.
            DeliveryError: AppSync was not reached, or refused an event.
            StoreRefusedError: The function's credentials cannot be used.
        """
        body = json.dumps(
            {"channel": channel, "events": [message_text(event, field="events") for event in events]}
        ).encode()
        status, answer = self._post(body)
        if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            msg = f"AppSync Events publish failed [{status}] {answer[:_SHOWN]}"
            raise DeliveryError(msg)
        # A 200 may say that single events were refused.
        if refused := _refused(answer):
            msg = f"AppSync Events refused events of {channel}: {refused[:_SHOWN]}"
            raise DeliveryError(msg)

    def _post(self, body: bytes) -> tuple[int, str]:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        headers = self._signed(body)
        parts = urlsplit(self._endpoint)
        # APPSYNC_ENDPOINT is where to connect to; the request is the same.
        address = self._settings.endpoints.get("APPSYNC") or f"{parts.scheme}://{parts.netloc}"
        try:
            answer = self._http.request("POST", address.rstrip("/") + parts.path, body=body, headers=headers)
        except HTTPError as error:
            msg = f"AppSync Events at {self._endpoint} was not reached: {type(error).__name__}"
            raise DeliveryError(msg) from error
        return answer.status, answer.data.decode(errors="replace")

    def _signed(self, body: bytes) -> dict[str, str]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        headers = {"Content-Type": "application/json", "Host": urlsplit(self._endpoint).netloc}
        request = AWSRequest("POST", self._endpoint, headers=headers, data=body)
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                msg = "there are no AWS credentials to sign the publish with"
                raise ConfigurationError(msg)
            SigV4Auth(credentials, "appsync", self._region).add_auth(request)
        except BotoCoreError as error:
            raise translated(error, "AppSync Events") from error
        return dict(request.headers.items())


def _refused(answer: str) -> str:
    try:
        failed = json.loads(answer or "{}").get("failed")
    except (ValueError, AttributeError):
        return answer or "no answer"
    return json.dumps(failed) if failed else ""
