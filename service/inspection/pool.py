"""Inspections of datasets in a few processes apart: one look serves all who ask for the same at the same time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from service.inspection.processes import InspectionProcesses
from service.inspection.queue import InspectionQueue
from ted_core.datasets import DatasetSpec, DatasetSummary
from ted_core.datasets.inspection_messages import InspectionRequest
from ted_core.storage.file_store import StorageRoot

Flight = asyncio.Task[DatasetSummary]
FlightKey = tuple[str, bytes]


class InspectionPool:
    """Looks at datasets for the API, which parses no file that a stranger has written."""

    def __init__(self, size: int, *, roots: Callable[[], Sequence[StorageRoot]]) -> None:
        self._size, self._roots = size, roots
        self._processes = InspectionProcesses()
        self._queue = InspectionQueue(size)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="inspection")
        self._flights: dict[FlightKey, Flight] = {}

    def warm_up(self) -> None:
        """Start the processes now, not when they are first needed; does not wait for them."""
        self._processes.warm_up(self._size)

    async def inspect(self, spec: DatasetSpec, *, tenant: str) -> DatasetSummary:
        """Return the dataset's summary, its rows None if they could not be counted in the time that there is.

        Raises InspectionBusy, and what ``InspectionProcesses.inspect`` raises.
        """
        request = InspectionRequest(spec=spec, roots=tuple(self._roots()))
        key = (tenant, request.as_line())
        flight = self._flights.get(key) or self._start(key, request)
        return await asyncio.shield(flight)  # who leaves does not end what others wait for

    def _start(self, key: FlightKey, request: InspectionRequest) -> Flight:
        self._flights[key] = flight = asyncio.create_task(self._inspect(request, tenant=key[0]))
        flight.add_done_callback(lambda _: self._flights.pop(key))
        return flight

    async def _inspect(self, request: InspectionRequest, *, tenant: str) -> DatasetSummary:
        async with self._queue.turn(tenant):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._processes.inspect, request)

    async def aclose(self) -> None:
        """End the processes, and what waits for them."""
        self._processes.close()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        self._threads.shutdown(wait=False)
