"""What a coarse storage format does to the small singular values, in words."""

from collections.abc import Mapping

import pandas as pd

from weightspectra.report.kit import wording


def notices(found: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Say for each model in a coarse format what that does to its small singular values.

    Parameters
    ----------
    found : DataFrame
        What :func:`weightspectra.conclusions.storage.storage` returns.
    titles : mapping
        From each model to what it is called.
    """
    notices = []
    for row in found[found["coarse"].astype(bool)].reset_index().to_dict("records"):
        width = f", {row['bits']} bits a weight" if row["bits"] else ""
        notices.append(
            f"{titles[row['model']]} is quantised (stored as {row['dtype']}{width}): rounding adds noise of about "
            f"{wording.percent(row['noise_share'])} % of the weights' Frobenius norm. "
            f"{wording.share(row['n_below_floor'], row['n_values'])} of its singular values lie below what "
            "such noise alone can make; these, and the lower edge of the bulk, are partly the quantiser's work."
        )
    return notices
