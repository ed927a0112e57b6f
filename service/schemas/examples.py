"""The examples that the API's documentation shows."""

from pydantic import JsonValue

SUBMISSION: dict[str, JsonValue] = {
    "dataset": {"uri": "file:///data/digits.parquet", "task": "image-classification"},
    "proxy": {"name": "cnn"},
    "plan": {"keep_ratio": 0.6},
    "metadata": {"team": "vision"},
    "strict": False,
}

JOB: dict[str, JsonValue] = {
    "id": "job_019a2b3c4d5e0123456789abcdef",
    "object": "job",
    "status": "running",
    "status_reason": None,
    "dataset": {
        "uri": "file:///data/digits.parquet",
        "format": "parquet",
        "task": "image-classification",
        "input": None,
        "target": None,
    },
    "proxy": {
        "name": "cnn",
        "epochs": 12,
        "batch_size": 128,
        "learning_rate": 0.004,
        "weight_decay": 0.05,
        "augment": True,
        "precision": "float32",
    },
    "plan": {
        "keep_ratio": 0.6,
        "method": "ted",
        "score": "margin",
        "q": None,
        "guard": False,
        "rounds": 6,
        "class_floor": 0.0,
        "seed": 0,
    },
    "metadata": {"team": "vision"},
    "rows_in": 1797,
    "warnings": [
        {
            "code": "keys_not_unique",
            "field": "dataset.input",
            "message": "'id' holds 898 different values in 1,797 rows. The manifest's sample_key stays empty; write a "
            "column of distinct ids, or list it in dataset.exclude.",
        }
    ],
    "strict": False,
    "attempt": 1,
    "max_attempts": 3,
    "progress": {
        "phase": "pruning",
        "round": 4,
        "rounds": 6,
        "fraction": 0.18,
        "phase_fraction": None,
        "samples_per_second": 5120.0,
        "eta_seconds": 3.1,
    },
    "result": None,
    "error": None,
    "created_at": "2026-01-31T12:00:00Z",
    "queued_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "finished_at": None,
    "deadline_at": None,
    "retry_of": None,
    "links": {
        "self": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef",
        "cancel": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/cancel",
        "retry": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/retry",
        "events": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/events",
        "manifest": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/manifest",
        "decisions": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/decisions",
        "suspects": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/suspects",
        "report": "/v1/jobs/job_019a2b3c4d5e0123456789abcdef/report",
    },
}

PROBLEM: dict[str, JsonValue] = {
    "type": "urn:ted:problem:invalid_request",
    "title": "Invalid request",
    "status": 422,
    "detail": "plan.keep_ratio: Input should be less than 1, not 1.5",
    "code": "invalid_request",
    "errors": [{"field": "plan.keep_ratio", "message": "Input should be less than 1, not 1.5"}],
    "instance": "urn:ted:request:5f0c6e7a9b3d4c21",
}
