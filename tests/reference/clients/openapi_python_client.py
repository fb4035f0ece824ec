"""What a caller writes on the client that openapi-python-client makes."""

import json
import os

from tracker_client import AuthenticatedClient
from tracker_client.api.messages import erase_messages, list_message_logs, look_up_statuses
from tracker_client.api.reports import track_send, track_sends, update_status
from tracker_client.api.statistics import get_message_stats
from tracker_client.models import (
    EraseRequest,
    EraseResponse,
    ForwardedStatusRequest,
    ForwardedStatusRequestStatus,
    MessageLogsResponse,
    MessageStatsResponse,
    MessageStatusResponse,
    Refusal,
    StatusLookupRequest,
    StatusLookupResponse,
    TrackSendBatch,
    TrackSendBatchResponse,
    TrackSendEventResponse,
    TrackSendRequest,
)

event = os.environ["EVENT"]
client = AuthenticatedClient(
    os.environ["URL"],
    token=os.environ["TOKEN"],
    prefix="",
    auth_header_name="X-Webhook-Token",
)


def send(number: int) -> TrackSendRequest:
    return TrackSendRequest("919876543210", f"wamid.{event}.{number}", event_id=event)


sent = track_send.sync(client=client, body=send(1))
assert isinstance(sent, TrackSendEventResponse)
batch = track_sends.sync(client=client, body=TrackSendBatch([send(2), send(3)]))
assert isinstance(batch, TrackSendBatchResponse)
delivered = ForwardedStatusRequest(
    f"wamid.{event}.1", ForwardedStatusRequestStatus.DELIVERED, "2026-01-15T10:30:05.000Z"
)
status = update_status.sync(client=client, body=delivered)
assert isinstance(status, MessageStatusResponse)
found = look_up_statuses.sync(client=client, body=StatusLookupRequest([f"wamid.{event}.1"]))
assert isinstance(found, StatusLookupResponse)
page = list_message_logs.sync(client=client, event_id=event, standalone=False, limit=2)
assert isinstance(page, MessageLogsResponse)
stats = get_message_stats.sync(client=client, event_id=event)
assert isinstance(stats, MessageStatsResponse)
refused = track_send.sync(client=client, body=TrackSendRequest("", "wamid.0"))
assert isinstance(refused, Refusal)
erased = erase_messages.sync(client=client, body=EraseRequest(event_id=event))
assert isinstance(erased, EraseResponse)
print(
    json.dumps(
        {
            "id": len(str(sent.map_id)),
            "results": len(batch.results),
            "status": status.status,
            "found": found.statuses[f"wamid.{event}.1"].status,
            "page": [log.wamid for log in page.logs],
            "total": stats.total,
            "refused": refused.field,
            "erased": erased.erased,
        }
    )
)
