"""Why a dataset is not looked at now."""

from ted_core.errors import TedError


class InspectionBusy(TedError):
    """The service looks at as many datasets as it can, or as many of yours as it may, or its machine is too busy; try
    again shortly, with the same Idempotency-Key."""

    retryable = True
