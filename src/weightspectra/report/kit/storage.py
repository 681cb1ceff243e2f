"""What a coarse storage format, or a truncation, does to the small singular values, in words."""

from collections.abc import Mapping

import pandas as pd

from weightspectra.report.kit import wording


def notices(found: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Say for each model in a coarse format, and for each of low rank, what that does to its small singular values.

    Parameters
    ----------
    found : DataFrame
        What :func:`weightspectra.conclusions.storage.storage` returns.
    titles : mapping
        From each model to what it is called.
    """
    notices = [
        f"{titles[row['model']]} is stored as {row['dtype']}, which does not tell how much its weights were rounded: "
        "what of its small singular values, and of the lower edge of the bulk, is the quantiser's work is unknown."
        for row in found[found["noise_share"].isna()].reset_index().to_dict("records")
    ]
    for row in found[found["coarse"].astype(bool)].reset_index().to_dict("records"):
        width = f", {row['bits']} bits a weight" if row["bits"] else ""
        notices.append(
            f"{titles[row['model']]} is quantised (stored as {row['dtype']}{width}): rounding adds noise of about "
            f"{wording.percent(row['noise_share'])} % of the weights' Frobenius norm. "
            f"{wording.share(row['n_below_floor'], row['n_values'])} of its singular values lie below what "
            "such noise alone can make; these, and the lower edge of the bulk, are partly the quantiser's work."
        )
    for row in found[found["n_low_rank"] > 0].reset_index().to_dict("records"):
        no_law = f" To {row['n_without_law']:,} no law could be fitted." if row["n_without_law"] else ""
        notices.append(
            f"{row['n_low_rank']:,} of {row['n_matrices']:,} matrices of {titles[row['model']]} are of low rank: less "
            "than nine tenths of their singular values lie above the rounding floor. What lies below it is in no fit, "
            f"test or share.{no_law}"
        )
    return notices
