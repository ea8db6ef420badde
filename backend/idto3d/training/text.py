# SPDX-License-Identifier: GPL-3.0-or-later
"""A tokenizer for the words of our captions, and a small CLIP text encoder over it."""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from idto3d.training.settings import TextSettings

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"
SPECIAL = (PAD, UNKNOWN, START, END)


def known_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """A tokenizer's words in the order of their numbers."""
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=lambda word: numbers[word])


def make_tokenizer(
    texts: Iterable[str], length: int, known: Sequence[str] = SPECIAL
) -> PreTrainedTokenizerFast:
    """A lower-case word-level tokenizer that knows every word of `texts`.

    `known` words keep their numbers, so that what learned them goes on.
    """
    split = pre_tokenizers.Whitespace()
    words = {word.lower() for text in texts for word, _ in split.pre_tokenize_str(text)}
    vocabulary = {word: i for i, word in enumerate([*known, *sorted(words - set(known))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
    )


def make_text_encoder(tokenizer: PreTrainedTokenizerFast, settings: TextSettings) -> CLIPTextModel:
    """A fresh CLIPTextModel for the tokenizer; last_hidden_state is (B, length, width)."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=4 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=settings.length,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return CLIPTextModel(config)
