"""Samples and proxy → the table that feeds the proxy."""

from ted_core.batches import Batches, Scaling, Table
from ted_core.datasets import Samples
from ted_core.proxies import Training


def table_of(samples: Samples, proxy: Training, *, device: str = "cpu") -> Batches:
    """The samples on the device, scaled by their own statistics; texts as tokens of the proxy's own vocabulary."""
    if samples.kind in ("text", "dialogue"):
        from ted_core.text.tables import TokenTable  # noqa: PLC0415 - transformers are an extra

        return TokenTable.of(samples, proxy, device=device)
    return Table(samples, scaling=Scaling.of(samples), device=device, parts=proxy.parts)
