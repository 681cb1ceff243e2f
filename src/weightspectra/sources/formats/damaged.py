"""The error of a checkpoint that is not what its author published."""

from weightspectra.base.errors import UserError

REFETCH = "remove the model's folder and the manifest beside it, and run again to fetch it anew"


class DamagedCheckpointError(UserError):
    """A checkpoint that is not what its author published; what cures that depends on where it came from.

    Parameters
    ----------
    fault : str
        What was found, without a cure.
    cure : str
        What cures it in a folder that was fetched. Whoever fetches knows a better one.
    """

    def __init__(self, fault: str, cure: str = REFETCH):
        super().__init__(f"{fault}; {cure}")
        self.fault = fault
