"""The GraphQL operations on artifacts, as the wandb client (0.31) sends them.

The queries are strings in ``wandb/bin/wandb-core`` and ``wandb/sdk/artifacts/_generated``.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.loopback.wandb_graphql import Document, Operation, Query, Refused, project_node
from tests.loopback.wandb_state import RemoteArtifact, WandbState


def _artifact_type(state: WandbState, query: Query) -> Document:
    """The type that versions of this name have so far; the client refuses to log another."""
    sent = query.input
    name = sent["name"].split(":")[0]
    versions = state.versions((sent["entity"], sent["project"], name))
    return {"project": {"artifact": _artifact_node(state, versions[-1]) if versions else None}}


def _create_artifact(state: WandbState, query: Query) -> Document:
    """A new version, or the one that has this digest already."""
    sent = query.input
    artifact = _same_version(state, sent) or _new_version(state, sent)
    aliases = [entry["alias"] for entry in sent["aliases"] or ()]
    if artifact.state == "COMMITTED":
        state.add_aliases(artifact, aliases)
    else:
        artifact.aliases = sorted({*artifact.aliases, *aliases})
    run = state.find_run(
        entity=sent["entityName"], project=sent["projectName"], run_id=sent["runName"]
    )
    if run and artifact not in run.artifacts:
        run.artifacts.append(artifact)
    return {"createArtifact": {"artifact": _artifact_node(state, artifact)}}


def _same_version(state: WandbState, sent: Mapping[str, Any]) -> RemoteArtifact | None:
    if not sent["enableDigestDeduplication"]:
        return None
    collection = (sent["entityName"], sent["projectName"], sent["artifactCollectionName"])
    same = (
        artifact
        for artifact in state.artifacts.values()
        if artifact.collection == collection and artifact.digest == sent["digest"]
    )
    return next(same, None)


def _new_version(state: WandbState, sent: Mapping[str, Any]) -> RemoteArtifact:
    artifact = RemoteArtifact(
        id=f"artifact-{len(state.artifacts)}",
        entity=sent["entityName"],
        project=sent["projectName"],
        name=sent["artifactCollectionName"],
        type=sent["artifactTypeName"],
        digest=sent["digest"],
        description=sent["description"],
        metadata=json.loads(sent["metadata"] or "{}"),
    )
    return state.artifacts.setdefault(artifact.id, artifact)


def _create_manifest(state: WandbState, query: Query) -> Document:
    artifact_id = query.input["artifactID"]
    file = {
        "id": f"manifest-file-{artifact_id}",
        "uploadUrl": query.upload_url(f"manifest/{artifact_id}"),
        "uploadHeaders": [],
    }
    manifest = {"id": f"manifest-{artifact_id}", "file": file}
    return {"createArtifactManifest": {"artifactManifest": manifest}}


def _create_artifact_files(state: WandbState, query: Query) -> Document:
    """Where to upload; no address for bytes that the server has, which the client then skips."""
    nodes: list[Document] = [
        {
            "storagePath": f"artifact/{file['md5']}",
            "uploadUrl": None if state.has_blob(file["md5"]) else _file_url(query, file),
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": file["artifactID"]},
        }
        for file in query.input["artifactFiles"]
    ]
    return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}


def _file_url(query: Query, file: Mapping[str, Any]) -> str:
    return query.upload_url(f"artifact/{file['artifactID']}/{file['name']}")


def _commit_artifact(state: WandbState, query: Query) -> Document:
    artifact = state.artifacts[query.input["artifactID"]]
    try:
        state.commit(artifact)
    except KeyError as md5:
        raise Refused(400, f"no bytes with the MD5 {md5} were uploaded") from None
    return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}


def _artifact_by_id(state: WandbState, query: Query) -> Document:
    return {"artifact": _artifact_node(state, state.artifacts[query.input["id"]])}


def _add_aliases(state: WandbState, query: Query) -> Document:
    artifact = state.artifacts[query.input["artifactID"]]
    state.add_aliases(artifact, [entry["alias"] for entry in query.input["aliases"]])
    return {"result": {"success": True}}


def _delete_aliases(state: WandbState, query: Query) -> Document:
    artifact = state.artifacts[query.input["artifactID"]]
    gone = {entry["alias"] for entry in query.input["aliases"]}
    artifact.aliases = [alias for alias in artifact.aliases if alias not in gone]
    return {"result": {"success": True}}


def _update_artifact(state: WandbState, query: Query) -> Document:
    artifact = state.artifacts[query.input["artifactID"]]
    artifact.description = query.input.get("description", artifact.description)
    if query.input.get("metadata"):
        artifact.metadata = json.loads(query.input["metadata"])
    return {"result": {"artifact": _artifact_node(state, artifact)}}


def _artifact_node(state: WandbState, artifact: RemoteArtifact) -> Document:
    versions = state.versions(artifact.collection)
    sequence = {
        "__typename": "ArtifactSequence",
        "id": "/".join(artifact.collection),
        "name": artifact.name,
        "project": project_node(artifact.entity, artifact.project),
        "latestArtifact": {"id": versions[-1].id} if versions else None,
    }
    return {
        "__typename": "Artifact",
        "id": artifact.id,
        "artifactSequence": sequence,
        "artifactType": {"name": artifact.type},
        "versionIndex": artifact.version_index,
        "description": artifact.description,
        "metadata": json.dumps(artifact.metadata),
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": artifact.state,
        "size": sum(map(len, artifact.files.values())),
        "digest": artifact.digest,
        "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": None,
        "fileCount": len(artifact.files),
        "createdAt": artifact.created_at,
        "updatedAt": None,
        "aliases": [
            {
                "__typename": "ArtifactAlias",
                "id": f"{artifact.id}:{alias}",
                "alias": alias,
                "artifactCollection": sequence,
            }
            for alias in artifact.aliases
        ],
    }


ARTIFACT_OPERATIONS: Mapping[str, Operation] = {
    "AddAliases": _add_aliases,
    "ArtifactByID": _artifact_by_id,
    "ArtifactType": _artifact_type,
    "CommitArtifact": _commit_artifact,
    "CreateArtifact": _create_artifact,
    "CreateArtifactFiles": _create_artifact_files,
    "CreateArtifactManifest": _create_manifest,
    "DeleteAliases": _delete_aliases,
    "UpdateArtifact": _update_artifact,
}
