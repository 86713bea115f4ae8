"""The GraphQL operations on accounts and runs, as the wandb client (0.31) sends them.

The answers are supersets of what is selected: the client reads what it asked for. The queries are
strings in ``wandb/bin/wandb-core`` and in ``wandb/apis``.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.loopback.wandb_graphql import Document, Operation, Query, Refused, project_node
from tests.loopback.wandb_state import EVENTS, HISTORY, LOG, SUMMARY, RemoteRun, WandbState, now


def _viewer(state: WandbState, query: Query) -> Document:
    entity = state.entity
    viewer = {"id": "viewer", "name": entity, "username": entity, "entity": entity,
              "email": f"{entity}@example.org", "admin": False, "flags": "{}", "deletedAt": None,
              "apiKeys": {"edges": []},
              "teams": {"edges": [{"node": {"name": entity}}]}}  # fmt: skip
    return {"viewer": viewer}


def _server_features(state: WandbState, query: Query) -> Document:
    """Gzip is for clients with ``x_file_stream_no_gzip=False``; without this they do not use it."""
    return {"serverInfo": {"features": [{"name": "FILESTREAM_GZIP", "isEnabled": True}]}}


def _organization(state: WandbState, query: Query) -> Document:
    return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}


def _resume_status(state: WandbState, query: Query) -> Document:
    project, entity = query.input["project"], query.input.get("entity") or state.entity
    run = state.find_run(entity=entity, project=project, run_id=query.input["name"])
    return {"model": {**project_node(entity, project), "bucket": run and _bucket(run)}}


def _bucket(run: RemoteRun) -> Document:
    """A run as ``RunResumeStatus`` and ``UpsertBucket`` hand it back."""
    telemetry = run.wire_config.get("_wandb", {}).get("value", {}).get("t")
    return {
        "id": run.storage_id,
        "name": run.id,
        "displayName": run.name or run.id,
        "description": None,
        "notes": run.notes,
        "tags": run.tags,
        "sweepName": None,
        "config": json.dumps(run.wire_config),
        "wandbConfig": json.dumps({"t": telemetry}),
        "summaryMetrics": json.dumps(run.summary),
        "logLineCount": run.line_count(LOG),
        "historyLineCount": run.line_count(HISTORY),
        "eventsLineCount": run.line_count(EVENTS),
        "historyTail": json.dumps(run.lines(HISTORY)[-1:]),
        "eventsTail": json.dumps(run.lines(EVENTS)[-1:]),
        "project": project_node(run.entity, run.project),
    }


def _upsert_run(state: WandbState, query: Query) -> Document:
    run = _addressed(state, query.input)
    inserted = run.times_opened == 0
    _describe(run, query.input)
    if _opens(query.input):
        run.times_opened += 1
        run.exit_code = None
    return {"upsertBucket": {"bucket": _bucket(run), "inserted": inserted}}


def _opens(sent: Mapping[str, Any]) -> bool:
    """Whether a session begins: a later renaming names the program too, and the machine (``e``).

    Under ``x_disable_meta`` no machine is named, and a renaming counts as a session.
    """
    if not sent.get("program"):
        return False
    return "e" not in json.loads(sent["config"])["_wandb"]["value"]


def _addressed(state: WandbState, sent: Mapping[str, Any]) -> RemoteRun:
    """The run that is meant, by storage id or by name; a new name makes a run."""
    if run := state.run_stored_as(sent.get("id") or ""):
        return run
    entity = sent.get("entity") or state.entity
    if entity != state.entity:
        raise Refused(
            403,
            "permission denied",
            path=["upsertBucket"],
            extensions={"code": "PERMISSION_ERROR"},
        )
    return state.open_run(entity=entity, project=sent["project"], run_id=sent["name"])


def _describe(run: RemoteRun, sent: Mapping[str, Any]) -> None:
    """Take over what was sent; the client sends its whole configuration each time."""
    run.name = sent.get("displayName") or sent.get("display_name") or run.name
    run.notes = sent.get("notes") or run.notes
    if sent.get("tags") is not None:
        run.tags = list(sent["tags"])
    if sent.get("config"):
        run.wire_config = json.loads(sent["config"])
    if sent.get("summaryMetrics"):
        run.write(SUMMARY, [sent["summaryMetrics"]])


def _public_run(state: WandbState, query: Query) -> Document:
    """A run for ``wandb.Api().run``; the client raises its own error where there is none."""
    sent = query.input
    run = state.find_run(entity=sent["entity"], project=sent["project"], run_id=sent["name"])
    return {"project": {"run": run and _run_node(run)}}


def _run_node(run: RemoteRun) -> Document:
    steps = [row["_step"] for row in run.history]
    return {
        **_bucket(run),
        "projectId": "1",
        "state": run.state,
        "group": None,
        "jobType": None,
        "commit": None,
        "readOnly": False,
        "createdAt": run.created_at,
        "heartbeatAt": now(),
        "systemMetrics": json.dumps(run.system[-1] if run.system else {}),
        "user": {"name": run.entity, "username": run.entity},
        "historyKeys": {"lastStep": max(steps), "sets": [], "keys": {}} if steps else None,
    }


def _run_files(state: WandbState, query: Query) -> Document:
    sent = query.input
    run = state.find_run(entity=sent["entity"], project=sent["project"], run_id=sent["run"])
    if run is None:
        raise Refused(404, f"run {sent['run']} not found during createRunFiles")
    folder = f"run/{run.entity}/{run.project}/{run.id}"
    files = [
        {"name": name, "uploadUrl": query.upload_url(f"{folder}/{name}")} for name in sent["files"]
    ]
    return {"createRunFiles": {"runID": run.storage_id, "uploadHeaders": [], "files": files}}


RUN_OPERATIONS: Mapping[str, Operation] = {
    "CreateRunFiles": _run_files,
    "GetDefaultEntity": _viewer,
    "GetViewer": _viewer,
    "OrganizationCoreWeaveOrganizationID": _organization,
    "Run": _public_run,
    "RunHistoryKeys": _public_run,
    "RunResumeStatus": _resume_status,
    "RunState": _public_run,
    "ServerFeaturesQuery": _server_features,
    "UpsertBucket": _upsert_run,
    "Viewer": _viewer,
}
