"""What rows can be exported as; the command line names them without loading what writes them."""

EXPORT_FORMATS = (
    *("parquet", "jsonl", "json", "csv", "hf", "webdataset", "image-folder"),
    *("llama-factory", "trl", "label-studio", "npy", "ids", "datacomp"),
)
