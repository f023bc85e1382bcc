"""What can go wrong, as classes: each message names the file, row or setting, what was expected and what to do."""


class CorpusmithError(Exception):
    """Any error that corpusmith raises on purpose."""


class UserError(CorpusmithError):
    """The caller can mend it: a wrong file, setting or argument. The CLI exits with code 2."""


class SettingsError(UserError):
    """A setting is unknown, of the wrong type, or out of range."""


class SourceError(UserError):
    """An input file or dataset cannot be read as what it claims to be."""


class ModelError(UserError):
    """A model is unknown, missing, gated, or in a format that is not loaded (pickle, remote code)."""


class PlanError(CorpusmithError):
    """A plan does not hold the columns that its maker reads."""


class MakerError(CorpusmithError):
    """A maker broke its contract: other rows or columns than it declares."""


class LedgerError(CorpusmithError):
    """The ledger cannot be written or read: a full disk, a read-only folder."""


class TooManyFailures(CorpusmithError):  # noqa: N818
    """More rows of a step failed than the configured bound allows."""


class ClusterError(CorpusmithError):
    """Actors of a cluster died, ran out of memory or have other code: says which, why, and what would help."""


class BalanceError(CorpusmithError):
    """An emotion cannot be filled: says which, how many are missing and what would help."""


class ValidationFailed(CorpusmithError):  # noqa: N818
    """A release breaks an expectation of its corpus."""


class ReleaseError(UserError):
    """A release folder is incomplete, changed after it was written, or already exists with other content."""


class SetAside(UserWarning):
    """A file of the ledger that cannot be read as what it should be was moved aside; its rows will be made again."""
