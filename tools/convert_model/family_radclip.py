"""RadCLIP: a fine-tuned CLIP ViT-L/14, RadCLIP.pth; its slice-pooling adapter was never published.
source: github.com/luzhixiu/RadCLIP (notebooks), Hugging Face zluvolyote/RadCLIP, arXiv 2403.09948"""
from convert_model import clip
from convert_model.family import Family

EXAMPLES = ("ABDOMEN CT", "HEAD MRI", "CHEST X-ray")  # the candidates of the published example


def config(found):
    return clip.config(found) | {
        "slice_pool": {"mode": "mean"},
        "score": {"mode": "class_softmax", "scale_mode": "fixed", "scale": 1},
        "preprocess": {"modality": "CT", "norm": "meanstd", "mean": clip.MEAN, "std": clip.STD},
    }


def prompts(found):
    return [{"id": words.lower().replace(" ", "_").replace("-", "_"), "text": words, "positive": words}
            for words in EXAMPLES]


FAMILY = Family(
    "radclip", "RadCLIP", "radclip", clip.depths, clip.rules, config,
    published_depths={"vision": 24, "text": 12}, published=clip.LARGE_14, totals=(590, 427_616_513),
    ignored=clip.IGNORED, prompts=prompts, tokenizer="bpe",
    licence="No licence is stated in either repository. Base model openai/clip-vit-large-patch14: MIT (code).",
    source="https://huggingface.co/zluvolyote/RadCLIP, https://github.com/luzhixiu/RadCLIP (arXiv 2403.09948)",
    notes=("The slice-pooling adapter was never published: slices are averaged.",
           "Scores are a softmax without temperature, as in the published example: nearly uniform, the ranking is "
           "what counts."))
