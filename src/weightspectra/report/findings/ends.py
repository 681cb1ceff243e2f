"""The finding on directions at both ends of the spectra that noise does not explain."""

from collections.abc import Mapping, Sequence

from weightspectra.contracts.conclusions import HOLDS
from weightspectra.report.findings.beside_random import NO_CONTROL, TOO_FEW, beside_control, told
from weightspectra.report.findings.finding import Conclusions, Finding, counted, share_of
from weightspectra.report.kit.wording import ROLE_TITLES, percent

ENDS = {"largest tenth": "largest", "smallest tenth": "smallest"}
TEST = "more_information_than_control"


def informative_ends(found: Conclusions) -> Finding | None:
    """Say which ends of the spectra hold directions that noise does not explain, in which roles, and which vectors."""
    models = list(dict.fromkeys(found.trained("information")["model"]))
    lines: list[str] = []
    for model in models:
        lines += [line for region in ENDS for line in _end(found, model, region)]
        lines += _vectors(found, model)
    if not lines:
        return None
    return Finding(_headline({region: list(found.of(TEST, region=region)["verdict"]) for region in ENDS}), lines)


def _end(found: Conclusions, model: str, region: str) -> list[str]:
    """Spell the mean share of one end, the roles with most and least, and in how many matrices it is beyond chance."""
    whole = found.one("information", model=model, region=region, role="")
    if whole is None:
        return []
    roles = found.of("information", model=model, region=region).query("role != ''").sort_values("number", kind="stable")
    named = [f"{ROLE_TITLES[role]} {percent(mean)} %" for role, mean in roles[["role", "number"]].to_numpy()]
    least, most = (name[0].lower() + name[1:] for name in (named[0], named[-1]))
    which = f" (most: {most}; least: {least})" if roles["number"].max() > roles["number"].min() else ""
    line = (
        f"{found.title(model)}: in the {region} noise does not explain {percent(whole['number'])} % of the "
        f"directions{which}, the 95 % interval is beyond 0 in {_beyond(found, model, region)}"
    )
    tested = found.one(TEST, model=model, region=region)
    if tested is None:
        return [f"{line}."]
    control = tested["beside"]
    random = found.of("information", model=control, region=region, role="")["number"].iloc[0]
    line += f"; random control {percent(random)} %, beyond 0 in {_beyond(found, control, region)}."
    return [f"{line} {beside_control(found, tested)}"]


def _beyond(found: Conclusions, model: str, region: str) -> str:
    row = found.one("information_beyond_chance", model=model, region=region)
    return "{:,} of {:,} matrices".format(*counted(row)) if row else ""


def _vectors(found: Conclusions, model: str) -> list[str]:
    """Count the singular vectors that are no random directions, beside the control's."""
    control = next((name for name, like in found.controls.items() if like == model), "")
    parts: list[str] = []
    level = 0.0
    for name in filter(None, (model, control)):
        whole = found.one("nonrandom_vectors", model=name, side="", role="")
        if whole is None:
            continue
        sides = found.of("nonrandom_vectors", model=name, role="").query("side != ''")
        shares = [f"{side} {percent(number)} %" for side, number in sides[["side", "number"]].to_numpy()]
        spelled = f"{share_of(whole)}, {', '.join(shares)}"
        parts.append(f"of its random control {spelled}" if parts else spelled)
        level = whole["level"]
    if not parts:
        return []
    return [
        f"{found.title(model)}: singular vectors that are no random directions (false discovery rate {100 * level:g} "
        f"%): {'; '.join(parts)}."
    ]


def _headline(verdicts: Mapping[str, Sequence[str]]) -> str:
    """Say which ends differ from the random controls in every model that has matrices enough to test."""
    known = {region: told(found) for region, found in verdicts.items()}
    if not any(known.values()):
        why = TOO_FEW if any(verdicts.values()) else NO_CONTROL
        return f"What noise does not explain at both ends of the spectra ({why})"
    hold = [ENDS[region] for region, found in known.items() if found and set(found) == {HOLDS}]
    if len(hold) == len(ENDS):
        return "At both ends of the spectra, trained matrices have directions that noise does not explain"
    if hold:
        (rest,) = (name for name in ENDS.values() if name not in hold)
        return (
            f"The {hold[0]} singular values hold directions that noise does not explain; the {rest} not in every model"
        )
    if any(HOLDS in found for found in known.values()):
        return "Some models, not all, have directions at the ends of their spectra that noise does not explain"
    return "Noise explains the ends of trained spectra as well as those of random ones"
