"""From verified files on disk to a loaded model and its tokenizer, without the network."""

import weakref
import zipfile
from contextlib import suppress
from typing import Any

from triphase.checkpoints import snapshots
from triphase.checkpoints.behaviour import check_causal, check_layers
from triphase.checkpoints.cache import Manifest, checkpoint_folder, checkpoint_label
from triphase.checkpoints.dimensions import read_json_object
from triphase.checkpoints.fetching import ensure_weights
from triphase.core.errors import InputError
from triphase.core.scratch import HeldFolder
from triphase.core.types import Section

CAUSAL = "only models that read from left to right, without an encoder, can be studied"


def load_model(
    manifest: Manifest,
    *,
    dtype: str = "float32",
    execution: Section | None = None,
    max_memory: dict[int | str, int] | None = None,
) -> Any:
    """Load a checkpoint without the network; sharded by accelerate over the GPUs that the job sees.

    The weights stay on disk as long as the model lives.

    Parameters
    ----------
    manifest : dict, from `triphase.checkpoints.find.find_checkpoint`
    dtype : str, name of a torch dtype
    execution : dict, optional
        The config's: device ("auto", accelerate's map: GPUs where there are some, then CPU memory, then the disk; or a
        torch device), and what `triphase.checkpoints.fetching.ensure_weights` takes of it.
    max_memory : dict, optional
        Bytes by device (number of a GPU, or "cpu") for "auto", as of `memory_limits`; the rest goes to the disk.

    Returns
    -------
    transformers.PreTrainedModel in evaluation mode

    Raises
    ------
    InputError
        A file is missing, cut short, or holds code; weights lack tensors of the model; the repository needs its own
        code and the study does not name it in `trust_remote_code`.
    """
    held, device = ensure_weights(manifest, execution), (execution or {}).get("device", "auto")
    offload = HeldFolder("triphase-offload-")
    try:
        model = _load(manifest, held.folder, offload.path, dtype, device, max_memory)
    except BaseException:
        held.release()
        offload.close()
        raise
    weakref.finalize(model, _let_go, held, offload)
    return model.eval()


def load_tokenizer(manifest: Manifest) -> Any:
    """Load a checkpoint's tokenizer offline; InputError where it gives no character offsets (it is not a fast one)."""
    label, folder = checkpoint_label(manifest), checkpoint_folder(manifest)
    try:
        tokenizer = _tokenizer(folder, manifest.get("trust_remote_code", False))
    except Exception as error:  # each format of tokenizers and configs has its own class
        raise InputError(f"models: {label}: its tokenizer cannot be loaded{_remedy(manifest, error)}") from error
    if not tokenizer.is_fast:
        raise InputError(
            f"models: {label}: its tokenizer gives no character offsets; a fast tokenizer (tokenizer.json) is needed"
        )
    return tokenizer


def _tokenizer(folder, trusted):
    """The tokenizer of a folder, as its tokenizer.json says where it has one.

    Classes of transformers that a tokenizer_config.json may name take vocabulary and merges of that file alone, and
    split and normalise text in their own way: LlamaTokenizer loses the spaces of a byte-level vocabulary, GPT2Tokenizer
    splits numbers otherwise. Where the file names no BOS or EOS the class knows them.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    options = {"local_files_only": True}
    if trusted or not (folder / "tokenizer.json").is_file():
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, **options)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, **options)
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        with suppress(Exception):  # each class fails in its own way
            other = AutoTokenizer.from_pretrained(folder, **options)
            for name in ("bos_token", "eos_token"):
                token = getattr(other, name)
                if getattr(tokenizer, name) is None and token in tokenizer.get_vocab():
                    setattr(tokenizer, name, token)
    return tokenizer


def devices_of(model: Any) -> list[str]:
    """What a loaded model lies on, for provenance: "cpu", "disk", the names of GPUs."""
    import torch

    places = getattr(model, "hf_device_map", {"": model.device}).values()
    kinds = [torch.device(place) if place != "disk" else None for place in places]
    return sorted(
        {"disk" if k is None else torch.cuda.get_device_name(k) if k.type == "cuda" else k.type for k in kinds}
    )


def memory_limits(mem_mb: float | None, share: float = 0.8) -> dict[int | str, int] | None:
    """Bytes by device for `load_model`: a share of the job's memory, and of what is free on each GPU that it sees.

    None, no limit, where the job's memory (MB) is None.
    """
    if mem_mb is None:
        return None
    import torch

    limits: dict[int | str, int] = {"cpu": int(mem_mb * 1e6 * share)}
    for device in range(torch.cuda.device_count()):
        limits[device] = int(torch.cuda.mem_get_info(device)[0] * share)
    return limits


def _load(manifest, folder, offload, dtype, device, max_memory):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    label = checkpoint_label(manifest)
    try:
        snapshots.check_whole(folder, manifest["files"])
        config = read_json_object(folder / "config.json")
        snapshots.check_numbers(folder, config)
        for name in snapshots.weights_in(folder):
            _check_pickle(folder / name, bool(config.get("quantization_config")))
    except InputError as error:
        raise InputError(f"models: {label}: {error}") from None
    code = {"local_files_only": True, "trust_remote_code": manifest.get("trust_remote_code", False)}
    options = {"max_memory": max_memory, "offload_folder": offload} if device == "auto" and max_memory else {}
    try:
        # Of such a model the decoder alone would be loaded, which never ran without what the encoder says.
        two = AutoConfig.from_pretrained(folder, **code).is_encoder_decoder
        if not two:
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                device_map=device,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **code,
                **options,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # each format of weights has its own class
        raise InputError(f"models: {label}: cannot be loaded from {folder}{_remedy(manifest, error)}") from error
    if two:
        raise InputError(f"models: {label}: it has an encoder beside its decoder; {CAUSAL}")
    # transformers only warns, and goes on with random numbers in their place.
    if wrong := sorted(report["mismatched_keys"]):
        name, held, wanted = wrong[0]
        raise InputError(
            f"models: {label}: {len(wrong)} tensors in {folder} have other shapes than config.json describes, {name} "
            f"first: {tuple(held)} in place of {tuple(wanted)}; the config is another model's: put its own there"
        )
    if lacking := sorted(report["missing_keys"]):
        raise InputError(
            f"models: {label}: the weights in {folder} lack {len(lacking)} tensors of the model, {lacking[0]} "
            "first; the checkpoint is not whole, or its config.json is another model's"
        )
    try:
        if config.get("quantization_config"):
            _check_dequantised(model, folder, config)
        check_layers(model, report["unexpected_keys"])
        check_causal(model)
    except InputError as error:
        raise InputError(f"models: {label}: {error}") from None
    return model


def _check_pickle(path, quantised):
    """InputError where a file of the older format is cut short, or holds more than tensors, or integers."""
    import pickle

    import torch

    if path.suffix != ".bin":
        return
    try:
        state = torch.load(path, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(path))
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
    except pickle.UnpicklingError as error:
        what = str(error).split("WeightsUnpickler error:")[-1].split("\n")[0].strip()
        raise InputError(
            f"{path} holds more than tensors, and reading it could run code ({what}); take a revision with "
            "safetensors, or convert this one where you trust it and give the result as local_folder"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        what = f"{type(error).__name__}: {_first_line(error)}"
        raise InputError(f"{path} is cut short or damaged ({what}); delete it to have it fetched again") from None
    for name, tensor in state.items():
        floating = not isinstance(tensor, torch.Tensor) or tensor.is_floating_point()
        if name.endswith("weight") and not floating and not quantised:
            snapshots.refuse_integers(path, name, str(tensor.dtype).removeprefix("torch."))


def _let_go(held, offload):
    held.release()
    offload.close()


def _check_dequantised(model, folder, config):
    """InputError where a quantisation is of no kind that transformers reads, so that integers stand for numbers."""
    import torch

    if getattr(model, "hf_quantizer", None) is None:
        snapshots.check_numbers(folder, {**config, "quantization_config": None})
        for name in snapshots.weights_in(folder):
            _check_pickle(folder / name, False)
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear and module.weight.dtype not in (
            torch.float32,
            torch.bfloat16,
            torch.float16,
        ):
            kind = str(module.weight.dtype).removeprefix("torch.")
            snapshots.refuse_integers(folder / "config.json", f"{name}.weight", kind)


def _first_line(error):
    return (str(error).strip().splitlines() or [""])[0]


def _remedy(manifest, error):
    reason = f" ({type(error).__name__}: {_first_line(error)}); "
    if "trust_remote_code" in str(error):
        return (
            ": it needs code of the repository; name the repository in trust_remote_code if you have read that code "
            "and trust it"
        )
    if isinstance(error, ImportError):
        return f"{reason}install what it names, or take weights in float32, bfloat16 or float16"
    if "Unrecognized configuration class" in str(error):
        return f": its config.json is not that of a causal language model; {CAUSAL}"
    if "Unrecognized model" in str(error) or "does not recognize this architecture" in str(error):
        return f"{reason}its config.json needs a model_type that this release of transformers knows"
    return f"{reason}take another revision, or delete the files to have them fetched again from the hub"
