# SPDX-License-Identifier: GPL-3.0-or-later
"""What `idto3d prior download` can fetch by a short name, each with its licence.

All of it lies on the Hugging Face Hub. Nothing is fetched unless a person asks for it by name.
"""

from dataclasses import dataclass

STABLE_DIFFUSION = "CreativeML OpenRAIL-M (use is restricted by its attachment A)"
FACEID = "non-commercial research, as it was made with InsightFace's models"


@dataclass(frozen=True)
class Source:
    """Files of one repository of the Hub."""

    name: str  # as the person types it
    repository: str  # owner/name
    licence: str  # shown before the download, recorded beside the files
    purpose: str  # one line for the list
    files: tuple[str, ...] = ()  # the files wanted; () = a diffusers folder's parts


SOURCES = (
    Source(
        "stable-diffusion-1.5",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        STABLE_DIFFUSION,
        "the base that the paper adapts",
    ),
    Source(
        "realistic-vision-4",
        "SG161222/Realistic_Vision_V4.0_noVAE",
        STABLE_DIFFUSION,
        "a photoreal base of the same family, as IP-Adapter-FaceID's authors use it",
    ),
    Source(
        "clip-tokenizer",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        STABLE_DIFFUSION,
        "the tokenizer that a base in one file lacks",
        (
            "tokenizer/merges.txt",
            "tokenizer/special_tokens_map.json",
            "tokenizer/tokenizer_config.json",
            "tokenizer/vocab.json",
        ),
    ),
    Source(
        "faceid",
        "h94/IP-Adapter-FaceID",
        FACEID,
        "a face's identity from one embedding",
        ("ip-adapter-faceid_sd15.bin",),
    ),
    Source(
        "faceid-portrait",
        "h94/IP-Adapter-FaceID",
        FACEID,
        "a face's identity from five embeddings, nearest to the paper's",
        ("ip-adapter-faceid-portrait_sd15.bin",),
    ),
    Source(
        "tiny-autoencoder",
        "madebyollin/taesd",
        "MIT",
        "a small encoder for little memory",
        ("config.json", "diffusion_pytorch_model.safetensors"),
    ),
)
