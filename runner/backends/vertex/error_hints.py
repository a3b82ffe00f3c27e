"""What is behind a refusal of the service, and what to type."""

from __future__ import annotations

import re

SIGN_IN = "sign in: gcloud auth application-default login"

RULES: tuple[tuple[int, str, str], ...] = (
    (401, "", f"the access token has expired or is not valid; {SIGN_IN}"),
    (
        403,
        r"billing",
        "switch on billing for the project: https://console.cloud.google.com/billing",
    ),
    (
        403,
        r"has not been used|is disabled|SERVICE_DISABLED",
        "enable the API: gcloud services enable aiplatform.googleapis.com storage.googleapis.com",
    ),
    (
        403,
        r"actAs|service ?account",
        "backend.service_account needs roles/aiplatform.tuningServiceAgent, and you"
        " roles/iam.serviceAccountUser on it",
    ),
    (
        403,
        "",
        "the account lacks a permission: it needs roles/aiplatform.user on backend.project and"
        " roles/storage.objectAdmin on backend.bucket",
    ),
    (
        404,
        r"bucket",
        "create the bucket (gcloud storage buckets create) or correct backend.bucket",
    ),
    (
        404,
        r"publisher|model",
        "the model is retired, or not served in this location: see retires, tuning_locations and"
        " serving_locations of its file in conf/model, and set backend.location or choose another"
        " model",
    ),
    (404, "", "nothing is there by this name: check backend.project and backend.location"),
    (
        400,
        r"adapter.?size",
        "set tuning.adapter_size to one of adapter_sizes in the model's file in conf/model, or"
        " to null",
    ),
    (400, r"JSONL", "the service cannot read the dataset; sft check EXP names the faulty rows"),
    (400, r"location|region", "set backend.location to one of the model's tuning_locations"),
    (
        400,
        r"base.?model|not supported|retired|deprecated",
        "the model cannot be tuned (any more): choose another option of the group model",
    ),
    (400, r"thinking", "set backend.thinking=default, or correct `thinking` in the model's file"),
    (
        412,
        "",
        "the object was changed by somebody else meanwhile; give the same command again",
    ),
    (
        429,
        "",
        "a quota is used up (tuning jobs at a time, or calls a minute): give the same command"
        " again later, or lower backend.concurrency; quotas:"
        " https://console.cloud.google.com/iam-admin/quotas",
    ),
    (500, "", "the service's own trouble; the same command again goes on from here"),
    (502, "", "the service's own trouble; the same command again goes on from here"),
    (503, "", "the service's own trouble; the same command again goes on from here"),
    (504, "", "the service took too long; the same command again goes on from here"),
)
"""HTTP status, a pattern in the message (empty fits any), what to do. The first that fits."""

BY_NAME = {
    "DefaultCredentialsError": f"there are no Application Default Credentials; {SIGN_IN}",
    "RefreshError": f"the credentials have expired or were withdrawn; {SIGN_IN}",
    "ReauthFailError": f"the credentials want you in person; {SIGN_IN}",
    "DataCorruption": "the upload was damaged on its way; give the same command again",
}


def advice(code: int, kind: str, says: str, *, lost: bool) -> str:
    """What to do about an error of class name `kind`; empty when nobody knows."""
    if kind in BY_NAME:
        return BY_NAME[kind]
    for status, pattern, text in RULES:
        if code == status and re.search(pattern, says, re.IGNORECASE):
            return text
    if lost:
        return "no connection: check the network, then give the same command again"
    return ""
