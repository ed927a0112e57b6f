"""What a run leaves: decisions, the manifest, the report, re-cuts."""

from importlib.util import find_spec

if find_spec("pyarrow") is None:
    raise ModuleNotFoundError("Manifests are Parquet files: pip install 'ted-coreset[manifest]'", name="pyarrow")
