"""What can go wrong, as facts with a remedy.

An error's docstring is its message: what is wrong in general and what to do about it. What an instance adds is the
fact at hand ("3 rows for 10 classes") and the request field that holds the cause. The HTTP service turns each into a
problem with the same ``code``; a worker stores the same three things in the job's row.
"""

import errno
import re
from collections.abc import Sequence
from typing import ClassVar

LONGEST_FACT = 2000
"""Characters; names in files may be megabytes long."""
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
"""What the operating system says if a disk, or this user's share of it, is full."""


class TedError(Exception):
    """TED could not continue."""

    retryable: ClassVar[bool] = False
    """Whether the same job may succeed when tried again unchanged."""

    def __init__(self, fact: str = "", *, field: str | None = None) -> None:
        self.fact, self.field = shortened(fact), field
        super().__init__(f"{self.fact}. {self.remedy()}" if fact else self.remedy())

    @classmethod
    def code(cls) -> str:
        """The stable name of this error: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def remedy(cls) -> str:
        """The docstring on one line."""
        return " ".join((cls.__doc__ or "").split())


def shortened(text: str) -> str:
    """Return the text, without its middle if it is very long."""
    half = LONGEST_FACT // 2
    return text if len(text) <= LONGEST_FACT else f"{text[:half]} … {text[-half:]}"


# --- the dataset cannot be found or read ---------------------------------------------------------------------------


class DatasetNotAllowed(TedError):
    """The dataset lies outside the folders this service may read; ask its operator to add the folder or bucket to
    TED_DATASET_ROOTS."""


class DatasetNotFound(TedError):
    """No dataset was found at this URI; check the path, and that the service runs on a machine that can see the
    file."""


class StoreRefused(TedError):
    """The object store did not let this service in; its operator must give the API and the workers credentials that may
    list and read the bucket, and the bucket's region (AWS_ACCESS_KEY_ID, AWS_REGION, GOOGLE_APPLICATION_CREDENTIALS
    …)."""


class StoreUnavailable(TedError):
    """The object store does not respond as it should; try again later, or ask the operator to check the network and the
    endpoint (AWS_ENDPOINT_URL)."""

    retryable = True


class DatasetUnavailable(TedError):
    """The dataset was there when the job was submitted, but cannot be reached now; check that it was not moved and that
    its file system is mounted, then run the job again."""

    retryable = True


class DatasetUnreadable(TedError):
    """The file could not be read in the format that the request names; check that it is complete and that
    dataset.format is right."""


class SplitsMixed(DatasetUnreadable):
    """These files or folders are several splits, and rows to evaluate on must not be pruned with those to train on;
    choose one of them."""


class UnknownSplit(DatasetUnreadable):
    """No file or folder of the dataset is this split; name one that there is, or leave dataset.split out."""


class DatasetChanged(TedError):
    """The dataset has changed since the job was submitted; submit a new job."""


class SchemasDiffer(TedError):
    """The dataset's files do not share one schema; rewrite them with the same columns and types."""


# --- the dataset does not hold what the job needs -------------------------------------------------------------------


class DatasetEmpty(TedError):
    """The dataset has no rows; nothing can be selected from it."""


class DatasetTooLarge(TedError):
    """The decoded dataset fits neither into the memory nor onto the disk that a job may use; use smaller images or
    fewer columns, or ask the operator to raise TED_CACHE_BYTES (for labels, TED_RUNNER_MEMORY_BYTES)."""


class UnknownColumn(TedError):
    """The dataset has no such column; name one that it has."""


class UnusableInputs(TedError):
    """The input column has a type that this task cannot use; images are encoded bytes, tables are numbers, lists of
    numbers of equal length or categories, texts are strings, conversations are lists of messages or pairs of texts."""


class UnusableLabels(TedError):
    """A target column must hold integers, strings or booleans, or lists of integers or strings; several target columns
    must hold 0 and 1; convert them first."""


class SettingUnsuited(TedError):
    """This setting has no meaning for this task, format or proxy; leave it out."""


class TooFewShards(TedError):
    """With a sampling of sharded each rank has files of its own; write the dataset as more files, or leave
    plan.sampling at global."""


class MissingValues(TedError):
    """The dataset has missing values where the proxy needs them; fill or drop those rows first, or, for the numbers and
    categories of a table, set dataset.missing to impute."""


class MixedTypes(TedError):
    """A column holds values of incompatible types; write all its values as one type."""


class UndecodableImages(TedError):
    """More images could not be decoded than the tolerance allows; repair or remove those rows."""


class SingleClass(TedError):
    """The target has fewer than two classes; there is nothing to classify."""


class NothingToLearn(TedError):
    """A conversation does not end in an answer, that is, in a turn of the assistant after another turn, or none of its
    answers is to be learned; drop such rows or turns, or check roles and weights."""


# --- the plan or the proxy does not fit ------------------------------------------------------------------------------


class TooFewRowsKept(TedError):
    """The plan keeps fewer rows than the classes need; raise keep_ratio, lower class_floor or use a larger dataset."""


class TooFewRounds(TedError):
    """The proxy trains for too few epochs for this method or number of rounds; raise proxy.epochs, or lower
    plan.rounds."""


class TooManyBlocks(TedError):
    """The pretrained model has fewer transformer blocks than are to be trained; lower proxy.train_blocks, or leave it
    out to train all of them."""


class UnknownProxy(TedError):
    """No proxy of this name is installed; use one of those that GET /v1/proxies lists."""


class UnknownModel(TedError):
    """No pretrained model of this name is installed here; install its package, or ask the operator to put its folder
    into one of TED_MODEL_ROOTS."""


class MethodUnsuited(TedError):
    """This method or score is defined only for one class per sample; use method ted with score margin, or random."""


class ProxyMismatch(TedError):
    """This proxy cannot take this input; use mlp for vectors, cnn, resnet9 or resnet18 for images, frozen-encoder or
    encoder for texts, and lora for causal-lm."""


class ModelTooLarge(TedError):
    """The proxy needs more memory than a job may use; lower dataset.image_size or proxy.batch_size, choose a smaller
    proxy, or ask the operator to raise TED_RUNNER_MEMORY_CEILING on API and workers."""


class PrecisionMissing(TedError):
    """The worker's processor does not multiply bfloat16; leave proxy.precision out, or use a worker whose processor
    does."""

    retryable = True


class TrainingDiverged(TedError):
    """A loss, or a number by which rows are chosen, became infinite or not a number, or the loss rose far above that of
    the untrained model; lower proxy.learning_rate, choose another proxy, or use larger images and inputs of like
    scale."""


# --- the manifest does not belong to what it is used with -------------------------------------------------------------


class ManifestMismatch(TedError):
    """The manifest does not describe this dataset, or is not a TED manifest; download it again or use the dataset it
    was made from."""


class WeightsUnknown(TedError):
    """Without the probability with which each row was to be kept, no weights make the retained rows stand for all rows;
    train without weights, or run a job of method ted, random or stratified with this version of TED."""


class RoundsUnknown(TedError):
    """Only the method ted prunes in rounds that a run can follow; submit a job of that method, or train on the rows of
    the manifest from the start."""


class EvaluationUnsuited(TedError):
    """A selection is judged by accuracies between 0 and 1, of models that were trained on rows of its own dataset."""


class SplitsDiffer(TedError):
    """A model can only be tested on data of the same form as those it was trained on: the same input columns, image
    size and classes; for tables with categories, encode both yourself and pass your own training to
    ``ted_core.evaluation.evaluate``."""


class RecutUnsuited(TedError):
    """These decisions hold only for the keep ratio they were made for; submit a job with the other ratio."""


# --- the machine ran out of memory or room ---------------------------------------------------------------------------


class OutOfMemory(TedError):
    """The worker ran out of memory; lower proxy.batch_size or use a machine with more memory."""

    retryable = True


class CheckpointUnusable(TedError):
    """The checkpoint of an interrupted attempt cannot be used; the run resumes from the one before, or starts again."""


class StorageFull(TedError):
    """The disk or object store has no room for the result; free some space, then retry the job."""

    retryable = True


# --- the job is strict ------------------------------------------------------------------------------------------------


class WarningsRefused(TedError):
    """The job is strict, so that warnings refuse it; change what they name, or submit it without strict."""

    def __init__(
        self, fact: str = "", *, field: str | None = None, causes: Sequence[tuple[str | None, str]] = ()
    ) -> None:
        super().__init__(fact, field=field)
        self.causes = causes
        """The field and the message of each warning."""
