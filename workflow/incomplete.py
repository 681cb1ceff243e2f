"""The report of a run in which a job failed: what could be made, and what is missing and why."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weightspectra.base import checksums
from weightspectra.config import artifacts
from weightspectra.config.configuration import Configuration


def write_report(workflow: Any, settings: Configuration) -> None:
    """Write the report from what is up to date, if a report was asked for and there is enough for one.

    It is dated long ago, so that the next run makes it anew.
    """
    dag = workflow.dag
    job = next((job for job in dag.jobs if job.rule.name == "make_report"), None)
    if job is None or not workflow.scheduler.failed:
        return
    makers = {path: maker for maker, made in dag.dependencies[job].items() for path in made}
    measurements = _whole(dag, settings, job)
    conclusions = next((maker for maker in makers.values() if maker.rule.name == "gather_findings"), None)
    measurements["findings"] = _up_to_date(dag, conclusions, conclusions.input) if conclusions else job.input.findings
    shown = {kind: _up_to_date(dag, job, job.input.get(kind, [])) for kind in ("tables", "figures")}
    absent = [path for kind, made in shown.items() for path in job.input.get(kind, []) if path not in made]
    if not measurements["bulk"]:
        return

    from weightspectra.report.kit import layout  # as late as this: a plan draws nothing
    from weightspectra.report.kit.exhibit import Named

    layout.write(
        job.output.page,
        job.output.findings,
        template=job.input.template,
        title=job.params.title,
        measurements=measurements,
        named=Named(**job.params.named),
        configuration=job.params.config,
        missing={_name(path): _reason(workflow, makers[path]) for path in absent},
        **shown,
    )
    checksums.write_sums([job.output.page, job.output.findings], job.output.sha256)
    for path in job.output:
        os.utime(path, (0, 0))


def _up_to_date(dag: Any, job: Any, paths: Iterable[str]) -> list[str]:
    """Return those of a job's inputs that exist and were not to be made anew by a job that has not ended well."""
    left = [maker for maker in dag.dependencies[job] if dag.needrun(maker) and not dag.finished(maker)]
    old = {path for maker in left for path in dag.dependencies[job][maker]}
    return [path for path in paths if Path(path).exists() and path not in old]


def _whole(dag: Any, settings: Configuration, job: Any) -> dict[str, list[str]]:
    """Return the measurements that are up to date, of models of which all that is measured of the model alone is."""
    known = {
        kind: list(zip(found, job.input.get(kind, []), strict=True))
        for kind, found in artifacts.measurements(settings).items()
    }
    present = set(_up_to_date(dag, job, [path for pairs in known.values() for _, path in pairs]))
    alone = [pair for kind in (*artifacts.OF_A_MODEL, *artifacts.OF_A_PART) for pair in known[kind]]
    lacking = {artifact.of["model"] for artifact, path in alone if path not in present}
    whole = {
        kind: [path for artifact, path in pairs if path in present and artifact.of.get("model") not in lacking]
        for kind, pairs in known.items()
    }
    return {**whole, "published": list(job.input.get("published", []))}


def _name(path: str) -> str:
    """Return what the page calls a table or figure that it lacks: ``table outliers``."""
    return f"{Path(path).parent.name.removesuffix('s')} {Path(path).stem}"


def _reason(workflow: Any, maker: Any) -> str:
    """Name the log of the job that failed before a table or figure could be made."""
    seen, waiting = {maker}, [maker]
    while waiting:
        earlier = workflow.dag.dependencies[waiting.pop()].keys() - seen
        seen |= earlier
        waiting += earlier
    logs = sorted(str(log) for job in seen & workflow.scheduler.failed for log in job.log)
    return f"see {', '.join(logs)}" if logs else "not reached before the run ended"
