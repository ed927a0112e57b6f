"""The streams of random numbers that only benchmarks use, beside those of ``ted_core.random_streams``."""

from enum import IntEnum, unique


@unique
class BenchmarkStream(IntEnum):
    """What random numbers are for; the values are none of ``ted_core.random_streams.Stream``."""

    DIGITS_SPLIT = 900
    """Which digits are for training."""
    SUBSAMPLE = 901
    """Which rows a smaller benchmark takes of a larger one."""
    NOISE = 902
    """Which labels are replaced, and by which."""
    FRESH_MODELS = 903
    """The seeds of the models that are trained on selections."""
    DYNAMIC_RANDOM = 904
    """The random rows of every epoch."""
    PASSES = 905
    """The order of passes over all rows."""
    HALVES = 906
    """The halves that models are retrained on (pair of models)."""
    WHOLES = 907
    """Nothing random: names the models that are retrained on all rows."""
    RETRAINED_MODELS = 908
    """The seeds of retrained models (halves or wholes, model)."""
    INSTRUCTIONS = 909
    """Which instructions are drawn."""
    SAME_LENGTH = 910
    """The random rows whose answers are as long as those that TED keeps."""
    WRONG_LABELS = 911
    """Which labels of rows to select from are wrong."""
    HELD_BACK = 912
    """Which training rows are selected from, and which are held back."""
    UNSEEN_FOLDS = 920
    """The folds that UNSEEN scores first."""
    UNSEEN_MODELS = 921
    """The seeds of the models that UNSEEN scores with (step, fold)."""
    DYNAMIC_DRAWS = 913
    """The rows that TED draws anew for each epoch of a run (epoch)."""
    INFOBATCH = 922
    """The samples that InfoBatch leaves out of a pass (visits before it)."""
    SCALE = 930
    """Labels, and margins that nobody has measured (0 labels, 1 margins: the seed)."""
    OWNERS = 931
    """Rows that ranks divide among themselves, made up to see what memory they take."""
