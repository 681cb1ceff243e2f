"""Random controls: the architecture of another model with the library's initialisation."""

import shutil
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModel, PreTrainedModel

from weightspectra.base.errors import UserError
from weightspectra.base.seeds import derived_seed
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.loading import teach_architecture
from weightspectra.sources import folders


def make_control(order: Order) -> Origin:
    """Make the random control that a model's entry asks for."""
    like, seed = order.original()
    trusted = order.entry.trust_remote_code
    write_control(like, order.staging, derived_seed(seed, order.name, "initialise"), trust_remote_code=trusted)
    return Origin("random", order.spec.like, f"seed {seed}")


def write_control(like: Path, folder: Path, seed: int, *, trust_remote_code: bool = False) -> None:
    """Write a freshly initialised model with another model's configuration and tokenizer.

    Parameters
    ----------
    like : path
        Folder of the other model; only its small files are read.
    folder : path
        Where the control is put, as float32 safetensors.
    seed : int
        Seed of PyTorch's generator; the same seed gives the same bytes.
    trust_remote_code : bool
        Allow the other model's own Python code.

    Raises
    ------
    UserError
        When the disk has no room for the weights.

    Notes
    -----
    The class is the one that the configuration's ``architectures`` names, so
    that the control has the same heads, or else what ``AutoModel`` takes. The
    weights are those that training would have begun with if it had used the
    library's defaults; what the model's authors used may differ.
    """
    teach_architecture(like)
    config = AutoConfig.from_pretrained(like, trust_remote_code=trust_remote_code)
    named = getattr(transformers, (config.architectures or [""])[0], None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(named, type) and issubclass(named, PreTrainedModel):
            model = named(config).float()
        else:
            model = AutoModel.from_config(config, trust_remote_code=trust_remote_code).float()
    model.config.dtype = torch.float32
    needed = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(f"{folder}: the disk is full: {needed:,} bytes are needed, {free:,} are free; make room")
    model.save_pretrained(folder)
    written = {path.name for path in folder.iterdir()}
    for name in folders.companions([path.name for path in like.iterdir()], code=trust_remote_code):
        if name not in written:
            shutil.copyfile(like / name, folder / name)
