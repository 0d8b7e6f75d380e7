"""From a published checkpoint to a model folder (docs/model-folder.md). Standard library only.

    refused.py        the one exception: what is wrong, by name
    pickle_machine.py  a pickle's opcodes, read without importing or calling anything
    torch_values.py   storages and tensors, as torch's pickles describe them
    torch_file.py     torch.save's two containers
    zip_archive.py    one of them, read in place
    safetensors_file.py   read and write
    checkpoint.py     any of these, or a folder of shards -> names and tensors
    rules.py          names and shapes: what must be there, what is left out, what is in the way
    finite.py         are all values finite?
    family_*.py       one system each: names, sizes, config.json, prompts, licence
    bert.py, clip.py, unet.py   what several systems share
    vocabulary.py, text_vectors.py, same_text.py   what is given beside the checkpoint
    folder.py         the model folder, whole or not at all
    card.py           its README.md
    command.py        the command line
"""
