"""A throw-away SLURM cluster: the real daemons of Debian's packages, as children of this process, on loopback.

No systemd, no cgroups, no accounting. The daemons run in the foreground and die with their parent, whatever kills
it; their files live in one temporary folder. Only ``/etc/slurm/slurm.conf`` lies outside it, as a link: the job steps
of Snakemake's plugin drop ``SLURM_CONF`` from their environment and look for the file there.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from patience import HANGS_S

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sinfo", "squeue", "scancel", "sbatch", "srun", "munged")
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")

CONF = """\
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=5
EnforcePartLimits=ALL
ReturnToService=2
KillWait=2
MinJobAge=7200
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP
"""


def why_not() -> str:
    """Return why no cluster can be started here; empty if one can."""
    if os.geteuid():
        return "needs root: SLURM's daemons start jobs as other users"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"no {', '.join(missing)}; on Debian: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if SYSTEM_CONF.exists() and not _is_left_over(SYSTEM_CONF.resolve().parent):
        return f"{SYSTEM_CONF} exists: this machine belongs to another cluster"
    return ""


def _is_left_over(root: Path) -> bool:
    """Whether a folder is that of a throw-away cluster whose test was killed: its lock exists, and nobody holds it."""
    try:
        with open(root / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def cluster(*, n_nodes: int, cpus: int, mem_mb: int) -> Iterator[Path]:
    """Start a cluster, yield the folder of its files, and stop it, whatever happened in between."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        for folder in ("munge", "state", "spool"):
            (root / folder).mkdir(mode=0o700)
        root.chmod(0o755)
        lock = stack.enter_context(open(root / "lock", "w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with this process, whatever ends it
        _write_conf(root, n_nodes=n_nodes, cpus=cpus, mem_mb=mem_mb)
        SYSTEM_CONF.parent.mkdir(exist_ok=True)
        SYSTEM_CONF.unlink(missing_ok=True)
        SYSTEM_CONF.symlink_to(root / "slurm.conf")
        stack.callback(SYSTEM_CONF.unlink)

        stack.enter_context(_daemon(root, "munged", "--foreground", "--force", *_munge_files(root / "munge")))
        _wait("munge", (root / "munge" / "socket").exists)
        for node in range(1, n_nodes + 1):
            stack.enter_context(_daemon(root, "slurmd", "-D", "-N", f"n{node}"))
        stack.enter_context(_daemon(root, "slurmctld", "-D", "-c"))
        _wait(f"{n_nodes} idle nodes", lambda: _ask("sinfo", "-h", "-N", "-o", "%t").split() == ["idle"] * n_nodes)
        stack.callback(_cancel_all)
        yield root


def _write_conf(root: Path, *, n_nodes: int, cpus: int, mem_mb: int) -> None:
    host = socket.gethostname().split(".")[0]
    ports = _free_ports(n_nodes + 1)
    nodes = "\n".join(
        f"NodeName=n{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs={cpus} RealMemory={mem_mb}"
        for node in range(1, n_nodes + 1)
    )
    (root / "slurm.conf").write_text(CONF.format(host=host, root=root, ports=ports, nodes=nodes))
    (root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    key = root / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))


def _munge_files(folder: Path) -> list[str]:
    options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    return [f"--{option}={folder / name}" for option, name in options.items()]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in sockets]


@contextmanager
def _daemon(root: Path, *command: str) -> Iterator[None]:
    with open(root / f"{command[0]}.out", "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            env={**os.environ, "SLURM_CONF": str(root / "slurm.conf")},
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    set_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)


def _cancel_all() -> None:
    _ask("scancel", "--full", "--user=root")
    _wait("end of the jobs", lambda: not _ask("squeue", "-h"))


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False).stdout


def _wait(what: str, ready: Callable[[], bool], seconds: float = HANGS_S) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} after {seconds:.0f} s")
        time.sleep(0.1)
