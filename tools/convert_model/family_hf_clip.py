"""A CLIP of Hugging Face, as save_pretrained writes it. Such a folder also runs unconverted."""
from convert_model import clip
from convert_model.family import Family


def config(found):
    return clip.config(found) | {
        "slice_pool": {"mode": "mean"},
        "score": {"mode": "class_softmax", "scale_mode": "exp"},
        "preprocess": {"modality": "CT", "norm": "meanstd", "mean": clip.MEAN, "std": clip.STD},
    }


FAMILY = Family(
    "hf-clip", "CLIP", "clip", clip.depths, clip.rules, config, published_depths=None, published=None,
    ignored=clip.IGNORED, tokenizer="bpe", licence="As its publisher states.",
    source="a folder of Hugging Face's CLIPModel",
    notes=("No labels are asked: the model embeds only, until prompts.json names some.",))
