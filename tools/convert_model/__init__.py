"""From a published checkpoint to a model folder (docs/model-folder.md). Standard library only.

    refused.py        the one exception: what is wrong, by name
    pickle_machine.py a pickle's opcodes, read without importing or calling anything
    torch_values.py   storages and tensors, as torch's pickles describe them
    torch_file.py     torch.save's two containers
    safetensors_file.py   read and write
    checkpoint.py     any of these, or a folder of shards -> names and tensors
    rules.py          names and shapes: what must be there, what is left out, what is in the way
    family_*.py       one system each: names, sizes, config.json, prompts, licence
    folder.py         the model folder, whole or not at all
    command.py        the command line
"""
