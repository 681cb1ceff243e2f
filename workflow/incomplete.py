"""The report of a run in which a job failed: what could be made, and what is missing and why."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weightspectra.config import artifacts
from weightspectra.config.configuration import Configuration


def write_report(workflow: Any, settings: Configuration) -> None:
    """Write the report from what exists, if a report was asked for and there is enough for one.

    It is dated long ago, so that the next run makes it anew.
    """
    job = next((job for job in workflow.dag.jobs if job.rule.name == "make_report"), None)
    if job is None or not workflow.scheduler.failed:
        return
    from weightspectra.report.kit import layout  # as late as this: a plan draws nothing

    measurements = _present(settings, job.input)
    before = workflow.dag.dependencies[job]
    conclusions = next((list(earlier.input) for earlier in before if earlier.rule.name == "gather_findings"), [])
    measurements["findings"] = _existing(conclusions)
    if not measurements["bulk"]:
        return
    shown = {kind: _existing(job.input.get(kind, [])) for kind in ("tables", "figures")}
    layout.write(
        job.output.page,
        job.output.findings,
        template=job.input.template,
        title=job.params.title,
        measurements=measurements,
        named=job.params.named,
        configuration=job.params.config,
        missing=_missing(workflow, job),
        **shown,
    )
    for path in job.output:
        os.utime(path, (0, 0))


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def _present(settings: Configuration, files: Any) -> dict[str, list[str]]:
    """Return the measurements that exist, of models of which all that is measured of the model alone does."""
    known = {
        kind: list(zip(those, files.get(kind), strict=True)) for kind, those in artifacts.measurements(settings).items()
    }
    alone = [pair for kind in (*artifacts.OF_A_MODEL, *artifacts.OF_A_PART) for pair in known[kind]]
    lacking = {artifact.of["model"] for artifact, path in alone if not Path(path).exists()}
    present = {
        kind: [path for artifact, path in pairs if Path(path).exists() and artifact.of.get("model") not in lacking]
        for kind, pairs in known.items()
    }
    return {**present, "published": list(files.get("published"))}


def _missing(workflow: Any, report: Any) -> dict[str, str]:
    """Return from each table and figure that does not exist to the log of the job that failed before it."""
    found = {}
    for kind in ("table", "figure"):
        for path in report.input.get(f"{kind}s"):
            if not Path(path).exists():
                maker = next(job for job, made in workflow.dag.dependencies[report].items() if path in made)
                failed = [job for job in _before(workflow.dag, maker) if job in workflow.scheduler.failed]
                logs = sorted({str(log) for job in failed for log in job.log})
                found[f"{kind} {Path(path).stem}"] = f"see {', '.join(logs)}" if logs else "not reached"
    return found


def _before(dag: Any, job: Any) -> list[Any]:
    """Return a job and all on which it depends."""
    seen, waiting = {job}, [job]
    while waiting:
        for earlier in dag.dependencies[waiting.pop()]:
            if earlier not in seen:
                seen.add(earlier)
                waiting.append(earlier)
    return list(seen)
